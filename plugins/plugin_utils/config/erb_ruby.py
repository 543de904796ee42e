# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A configuration file rendered by the Ruby that is installed on the controller, which is only used when asked for.

It has what Kamal's own rendering has and configurations use: the constant Kamal and a few methods of ActiveSupport.
Each line of the template carries a mark with its number through Ruby, so that the result knows where a line is from.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from typing import Callable, List, Tuple

from ...module_utils._errors import ConfigError, Problem
from .ruby_library import KAMAL_VERSION, Scope

_NAME = "deploy.yml"
_TAG = re.compile(r"<%%|<%.*?%>", re.DOTALL)
_MARK = re.compile("\x1c([0-9]+)\x1d")
_RUBY = r"""
require "erb"
require "json"

class Object
  def blank?; respond_to?(:empty?) ? !!empty? : !self; end
  def present?; !blank?; end
  def presence; present? ? self : nil; end
  def in?(list); list.include?(self); end
  def try(name, *arguments, &block); respond_to?(name) ? public_send(name, *arguments, &block) : nil; end
end

class NilClass
  def try(*); nil; end
end

class String
  def blank?; match?(/\A[[:space:]]*\z/); end
  def squish; gsub(/[[:space:]]+/, " ").strip; end
  def remove(*parts); parts.inject(self) { |text, part| text.gsub(part, "") }; end
end

class Array
  def second; self[1]; end
end

module Kamal
  VERSION = ARGV[1]
  module Utils
    extend self
    def docker_arch
      arch = `docker info --format "{{.Architecture}}"`.strip
      { "aarch64" => "arm64", "x86_64" => "amd64" }.fetch(arch, arch)
    end
  end
end

begin
  template = ERB.new(STDIN.read, trim_mode: "-")
  template.filename = ARGV[0]
  print template.result(TOPLEVEL_BINDING)
rescue SystemExit, Interrupt
  raise
rescue Exception => error
  own = Regexp.escape(ARGV[0])
  place = (error.backtrace_locations || []).find { |location| location.path == ARGV[0] }
  line = error.message[/\A#{own}:(\d+)/, 1] || (place && place.lineno) || 1
  message = error.message.lines.first.to_s.sub(/\A#{own}:\d+: */, "").strip
  STDERR.print "\n", JSON.generate({ "kind" => error.class.name, "message" => message, "line" => line.to_i })
  exit! 70
end
"""
_RAISED = 70


def render_with_ruby(text: str, place: Callable[[int], str], scope: Scope) -> Tuple[str, Tuple[int, ...]]:
    """The rendered text, and for each of its lines the line of the template it came from."""
    ruby = shutil.which("ruby", path=scope.environ.get("PATH"))
    if ruby is None:
        message = "kamal_erb is ruby, but there is no ruby on the controller; install ruby or remove kamal_erb"
        raise ConfigError([Problem(message, where=place(1))])
    process = subprocess.run(
        [ruby, "-EUTF-8:UTF-8", "-e", _RUBY, _NAME, KAMAL_VERSION],
        input=_marked(text),
        cwd=scope.project_root,
        env=scope.environ,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    if process.returncode:
        raise ConfigError([_problem(process, place)])
    return _unmarked(process.stdout)


def _problem(process: subprocess.CompletedProcess[str], place: Callable[[int], str]) -> Problem:
    lines = process.stderr.strip().splitlines() or [f"it ended with exit code {process.returncode}"]
    if process.returncode == _RAISED:
        try:
            error = json.loads(lines[-1])
            message = f"ruby could not render the ERB: {error['kind']}: {_MARK.sub('', error['message'])}"
            return Problem(message, where=place(int(error["line"])))
        except (ValueError, KeyError, TypeError):
            pass
    return Problem(f"ruby could not render the ERB: {lines[-1]}", where=place(1))


def _marked(text: str) -> str:
    """The template with a mark at the beginning of each line of text.

    A line that begins with `<%-` has none, for the space before it would stay then; and inside a tag there is none.
    """
    inside = [(match.start(), match.end()) for match in _TAG.finditer(text)]
    pieces: List[str] = []
    position, tag = 0, 0
    for number, line in enumerate(text.splitlines(keepends=True), 1):
        while tag < len(inside) and inside[tag][1] <= position:
            tag += 1
        is_inside = tag < len(inside) and inside[tag][0] < position
        pieces.append(line if is_inside or line.lstrip(" \t").startswith("<%-") else f"\x1c{number}\x1d{line}")
        position += len(line)
    return "".join(pieces)


def _unmarked(text: str) -> Tuple[str, Tuple[int, ...]]:
    lines: List[int] = []
    number = 1
    for line in text.split("\n"):
        marks = _MARK.findall(line)
        lines.append(int(marks[0]) if marks else number)
        number = int(marks[-1]) if marks else number
    return _MARK.sub("", text), tuple(lines)
