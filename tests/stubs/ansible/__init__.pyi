from . import constants as constants
from . import context as context
