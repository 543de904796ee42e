# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""ERB as real files use it: what comes out, what is refused, and that lines keep their numbers."""

from __future__ import annotations

import os
import platform
import shutil
import stat

import pytest
from ansible_collections.caravan.kamal.plugins.module_utils._errors import ConfigError
from ansible_collections.caravan.kamal.plugins.plugin_utils.config.erb import render
from ansible_collections.caravan.kamal.plugins.plugin_utils.config.load import Settings, load
from ansible_collections.caravan.kamal.plugins.plugin_utils.config.ruby_library import Scope

ENVIRON = {"NAME": "hey", "EMPTY": "", "BLANK": "  ", "PATH": "/usr/bin:/bin", "N": "3"}


@pytest.fixture
def scope(tmp_path):
    (tmp_path / ".ruby-version").write_text("3.4.1\n", encoding="utf-8")
    (tmp_path / "two.txt").write_text("one\ntwo\n\n", encoding="utf-8")
    (tmp_path / ".env").write_text("FROM_FILE=yes\nNAME=other\n", encoding="utf-8")
    (tmp_path / ".env.more").write_text('export MORE="a b" # why\n', encoding="utf-8")
    (tmp_path / ".env.grammar").write_text("P=C:\\dir\\new\nQ=$P\\ \"a\"'b'\n", encoding="utf-8")
    (tmp_path / ".env.open").write_text("A=1\nB='x\n", encoding="utf-8")
    (tmp_path / ".env.command").write_text("A=$(id)\n", encoding="utf-8")
    return Scope(dict(ENVIRON), str(tmp_path))


def rendered(text, scope):
    return render(text, lambda line: f"deploy.yml:{line}", scope).text


EXPRESSIONS = [
    ('ENV["NAME"]', "hey"),
    ("ENV['NAME']", "hey"),
    ('ENV["GONE"]', ""),
    ('ENV["EMPTY"]', ""),
    ('ENV.fetch("NAME")', "hey"),
    ('ENV.fetch("NAME", "d")', "hey"),
    ('ENV.fetch("GONE", "d")', "d"),
    ("ENV.fetch('GONE', 'd')", "d"),
    ('ENV.fetch("GONE", nil)', ""),
    ('ENV.fetch("GONE", 3000)', "3000"),
    ('ENV.fetch("GONE") { "d" }', "d"),
    ('ENV.fetch("NAME") { ENV.fetch("GONE") }', "hey"),
    ('ENV.fetch("GONE", ENV["NAME"])', "hey"),
    ('ENV["GONE"] || "d"', "d"),
    ('ENV["EMPTY"] || "d"', ""),
    ('ENV["NAME"] || ENV.fetch("GONE")', "hey"),
    ('ENV["GONE"] || ENV["ALSO_GONE"] || "d"', "d"),
    ('ENV["NAME"] && "set"', "set"),
    ('ENV["GONE"] && "set"', ""),
    ('(ENV["GONE"] || "d").upcase', "D"),
    ('ENV.key?("NAME")', "true"),
    ('!ENV.key?("NAME")', "false"),
    ('ENV["NAME"] == "hey"', "true"),
    ('ENV["NAME"] != "hey"', "false"),
    ('ENV["NAME"] == "hey" ? "a" : "b"', "a"),
    ('ENV["NAME"] != "hey" ? ENV.fetch("GONE") : "b"', "b"),
    ('ENV["GONE"].nil?', "true"),
    ('ENV["EMPTY"].empty?', "true"),
    ('ENV["BLANK"].strip.empty?', "true"),
    ('ENV["BLANK"].blank?', "true"),
    ('ENV["NAME"].present?', "true"),
    ('ENV["GONE"].to_s.empty?', "true"),
    ('File.read(".ruby-version").strip', "3.4.1"),
    ('File.read(".ruby-version").chomp', "3.4.1"),
    ('File.read("two.txt").chomp', "one\ntwo\n"),
    ("File.read('./.ruby-version')", "3.4.1\n"),
    ('File.exist?("two.txt")', "true"),
    ('"#{ENV["GONE"]}:latest"', ":latest"),
    ("\"#{ENV['NAME']}:latest\"", "hey:latest"),
    (r'"a\tb\"c\\"', 'a\tb"c\\'),
    (r"'a\tb\'c'", r"a\tb'c"),
    ('"plain"', "plain"),
    ("nil", ""),
    ("true", "true"),
    ("3", "3"),
    ('ENV["EMPTY"].presence || "d"', "d"),
    ('ENV["BLANK"].presence || "d"', "d"),
    ('ENV["GONE"].presence || "d"', "d"),
    ('ENV["NAME"].presence || "d"', "hey"),
    ('ENV["GONE"]&.strip || "d"', "d"),
    ('"a" + "b"', "ab"),
    ('ENV["NAME"] + "-" + "x" == "hey-x" ? "y" : "n"', "y"),
    ("1 + 2", "3"),
    ('"a" + (ENV["GONE"] || "b")', "ab"),
    ('begin; File.read("gone.txt"); rescue; "d"; end', "d"),
    ('begin\n  File.read("gone.txt")\nrescue Errno::ENOENT => e\n  "d"\nend', "d"),
    ('begin; ENV.fetch("GONE"); rescue KeyError, StandardError; "d"; end', "d"),
    ('begin; "fine"; rescue; "d"; end', "fine"),
    ('(ENV.fetch("GONE") rescue "d")', "d"),
    ('File.read(File.expand_path(".ruby-version", __dir__)).strip', "3.4.1"),
    ('File.read(File.expand_path("../" + File.basename(Dir.pwd) + "/two.txt", __dir__)).lines.first', "one\n"),
    ('File.join("a", "b", "/c")', "a/b/c"),
    ('File.dirname("a/b/c.txt")', "a/b"),
    ('File.exist?(File.join(__dir__, "two.txt"))', "true"),
    ('"ruby 3.4.1\nnode 22".scan(/node (.*)/)[0][0]', "22"),
    ('"ruby 3.4.1\nnode 22".scan(/^ruby (?<v>.*)$/).first.first', "3.4.1"),
    ('"a1b2".scan(/[0-9]/)', '["1", "2"]'),
    ('"ruby 3.4.1"[/ruby (.*)/, 1]', "3.4.1"),
    ('"ruby 3.4.1"[/[0-9.]+/]', "3.4.1"),
    ('"ruby".match(/x/)', ""),
    ('"ruby 3".match(/ruby (\\d)/)[1]', "3"),
    ('"feature/x".gsub("/", "-")', "feature-x"),
    ('"feature/X_y".downcase.gsub(/[^a-z]+/, "-")', "feature-x-y"),
    ('"a, b".split(",").map(&:strip)', '["a", "b"]'),
    ('"a,b,,".split(",")', '["a", "b"]'),
    ("%w[a b].join(',')", "a,b"),
    ('["a", ENV["GONE"], 1, true].last', "true"),
    ('["a", nil, 1, true]', '["a", nil, 1, true]'),
    ("'abc'[-1]", "c"),
    ("[1, 2][5]", ""),
    ("if ENV['NAME'] == 'hey' then 'a' else 'b' end", "a"),
    ("if ENV['GONE'] then 'a' elsif true then 'c' end", "c"),
    ("('a' if ENV['GONE'])", ""),
    ("'12 apples'.to_i + 1", "13"),
    ("true == 1", "false"),
    ("not ENV['GONE']", "true"),
    ("'x'.empty? || !'x'.nil?", "true"),
    ("'v1.2'.delete_prefix('v')", "1.2"),
]


@pytest.mark.parametrize(("expression", "expected"), EXPRESSIONS)
def test_expression(expression, expected, scope):
    assert rendered(f"a <%= {expression} %> b", scope) == f"a {expected} b"


TEMPLATES = [
    ("no tags", "no tags"),
    ("a<%# a comment %>b", "ab"),
    ("a <%% b %> c", "a <% b %> c"),
    ("<% if ENV['NAME'] %>\nyes\n<% end %>\n", "\nyes\n\n"),
    ("<% if ENV['NAME'] -%>\nyes\n<% end -%>\n", "yes\n"),
    ("<% if ENV['GONE'] -%>\nyes\n<% else -%>\nno\n<% end -%>\n", "no\n"),
    ("<% unless ENV['GONE'] -%>\nyes\n<% else -%>\nno\n<% end -%>\n", "yes\n"),
    ("  <%- if true -%>\na\n  <%- end -%>\nb", "a\nb"),
    ("<% if ENV['N'] == '1' %>one<% elsif ENV['N'] == '3' %>three<% else %>many<% end %>", "three"),
    ("<% if ENV['N'] == '3' %>three<% elsif true %>two<% else %>many<% end %>", "three"),
    ("<% if false %><% if true %>a<% else %>b<% end %><% else %>c<% end %>", "c"),
    ("<% if true %><% if false %>a<% else %>b<% end %><% else %>c<% end %>", "b"),
    ("<% if false then %>a<% end %>b", "b"),
    ("<% ENV['SET'] = 'x' %><%= ENV['SET'] %>", "x"),
    ("<% ENV['NAME'] ||= 'x'; ENV['GONE'] ||= 'y' %><%= ENV['NAME'] %><%= ENV['GONE'] %>", "heyy"),
    ("<% a = nil; a ||= 'x' %><%= a %>", "x"),
    ("<% if ENV['GONE'] then a = 1 else a = 2 end %><%= a %>", "2"),
    ("<% a = 'no'\nif ENV['NAME'] == 'hey'\n  a = 'yes'\nend %><%= a %>", "yes"),
    ("<% a = 'x' if ENV['GONE'] %><%= a.nil? %>", "true"),
    ("<% a = 'x' unless ENV['GONE'] %><%= a %>", "x"),
    ("<% a = 'x' %><% a = 'y' if ENV['GONE'] %><%= a %>", "x"),
    ("<% ENV['NAME'] = 'x' if ENV['GONE'] %><%= ENV['NAME'] %>", "hey"),
    ("<% ENV['NAME'] = 'x' unless ENV['N'] %><%= ENV['NAME'] %>", "hey"),
    ("<% ENV['GONE'] ||= 'x' unless ENV['N'] %><%= ENV['GONE'] %>", ""),
    ("<% a = b = 'x' if ENV['GONE'] %><%= a.nil? && b.nil? %>", "true"),
    ("<% a = ENV.fetch('GONE') rescue 'x' %><%= a %>", "x"),
    ("<% a = 'y'; a = ENV.fetch('GONE') rescue 'x' if ENV['GONE'] %><%= a %>", "y"),
    ("<% ENV['SET'] = ENV.fetch('GONE') rescue 'x' %><%= ENV['SET'] %>", "x"),
    ("<% b = begin\n File.read('gone.txt')\nrescue\n 'd'\nend %><%= b %>", "d"),
    ("<%= Kamal::VERSION %>", "2.12.0"),
    ("<% Dotenv.load('.env.grammar') %><%= ENV['Q'] %>", "C:dirnew \"a\"'b'"),
    ("a: <%- if true %>b<%- end %>\nc: \t<%- 1 -%>\nd", "a: b\nc: \td"),
    ("a<%= 1 %> \t<%- 2 -%>b <%- 3 -%>c", "a1b c"),
    ("<%= !ENV['NAME'] == true %><%= !'x'.nil? == false %>", "falsefalse"),
    ("<%= true == !ENV['GONE'] %><%= !!ENV['NAME'] && !ENV['GONE'] %>", "truetrue"),
    ("<%= not ENV['NAME'] == 'hey' %><%= not !ENV['NAME'] %>", "falsetrue"),
    ("<% a = 'plain' # why %><%= a %>", "plain"),
    ("<% if false %><%= ENV.fetch('GONE') %><% end %>ok", "ok"),
    ("<% if false %><%= [1].each(&:x) %><% end %>ok", "ok"),
    ("<% name = ENV['NAME'] || 'x' %><%= name %>-<%= name.upcase %>", "hey-HEY"),
    ("<% require 'dotenv' %><% Dotenv.load %><%= ENV['FROM_FILE'] %> <%= ENV['NAME'] %>", "yes hey"),
    ('<% require "dotenv"; Dotenv.load(".env", ".env.more") %><%= ENV["MORE"] %>', "a b"),
    ("<% require 'dotenv'\nDotenv.load('.env.more') %><%= ENV['MORE'] %>", "a b"),
    ("<% Dotenv.load '.env.more' %><%= ENV['MORE'] %>", "a b"),
    ("<% require 'dotenv/load' %><%= ENV['FROM_FILE'] %>", "yes"),
    ("<% Dotenv.load('.env.gone') %>ok", "ok"),
    ("# <%= nothing.we.know %>\na: 1", "# \na: 1"),
    ("# <%= ENV.fetch('GONE') %>\na: <%= ENV['NAME'] %>", "# \na: hey"),
]


@pytest.mark.parametrize(("template", "expected"), TEMPLATES)
def test_template(template, expected, scope):
    assert rendered(template, scope) == expected


REFUSED = [
    ("a\n<%= ENV.fetch('GONE') %>", 2, "the environment variable GONE is not set"),
    ("<%= ENV.fetch('GONE').strip %>", 1, "GONE is not set"),
    ("a\nb\n<%= File.read('gone.txt') %>", 3, "cannot be read: No such file or directory"),
    ("<% Dotenv.load!('.env.gone') %>", 1, "cannot be read"),
    ("<%= ENV['GONE'].strip %>", 1, ".strip is called on nothing"),
    ("<%= %x(id) %>", 1, "-e kamal_erb_commands=true"),
    ("<%= `id` %>", 1, "running the command `id` is switched off"),
    ("<% if true %>a", 1, "has no `end`"),
    ("a\n<% end %>", 2, "`end` has no `if` before it"),
    ("<% else %>", 1, "`else` has no `if` before it"),
    ("<% require 'json' %>", 1, "more than is read here: <% require 'json' %>"),
    ("<%= Time.now %>", 1, "more than is read here"),
    ("<%= ENV.to_h %>", 1, "more than is read here"),
    ("<%= File.write('x', 'y') %>", 1, "more than is read here"),
    ("<%= system('id') %>", 1, "more than is read here"),
    ("<%= ENV['NAME'].tr('a', 'b') %>", 1, "more than is read here"),
    ("<%= 'a' + nil %>", 1, "nil cannot be added to a text"),
    ("<%= ENV['GONE'] + 'a' %>", 1, "+ is called on nothing"),
    ("<%= 'a'.scan(/(?<=x)\\K/) %>", 1, "more than is read here"),
    ("<%= 'a'.scan(/[/) %>", 1, "more than is read here"),
    ("<%= ENV['GONE'].scan(/a/) %>", 1, ".scan is called on nothing"),
    ("<%= begin; `id`; rescue; 'x'; end %>", 1, "running the command `id` is switched off"),
    ("<%= begin; ENV.fetch('GONE'); rescue Errno::ENOENT; 'x'; end %>", 1, "GONE is not set"),
    ("<% Dotenv.load('.env.open') %>", 1, ".env.open:2: the quote of B is never closed"),
    ("<% Dotenv.load('.env.command') %>", 1, "running the command `id` is switched off"),
    ("<% ENV['A=B'] = 'x' %>", 1, "cannot be the name of a variable"),
    ("<%= Kamal::Git.sha %>", 1, "more than is read here"),
    ("<%= " + "(" * 500 + "1" + ")" * 500 + " %>", 1, "more than is read here"),
    ("<% a = 'aaaaaaaaaa' %>" + "<% a = a + a %>" * 40, 1, "longer than a megabyte"),
    ("<%= YAML.load_file('x')['y'] %>", 1, "more than is read here"),
    ("<%= eval('1') %>", 1, "-e kamal_erb=ruby"),
    ("a: 1\n<% %w[a b].each do |x| %>\n- <%= x %>\n<% end %>", 2, "lookup('env', 'NAME')"),
    ("<% 3.times do %>\n<% end %>", 1, "more than is read here"),
    ("<%= 'a' 'b' %>", 1, "more than is read here"),
    ("<%= ENV['NAME' %>", 1, "more than is read here"),
    ("<%= ( %>", 1, "more than is read here"),
]


@pytest.mark.parametrize(("template", "line", "words"), REFUSED)
def test_refused(template, line, words, scope):
    with pytest.raises(ConfigError) as raised:
        rendered(template, scope)
    problem = raised.value.problems[0]
    assert words in problem.message
    assert problem.where == f"deploy.yml:{line}"


def test_everything_that_is_refused_is_told_at_once(scope):
    with pytest.raises(ConfigError) as raised:
        rendered("<%= ENV.fetch('A') %>\n<%= Time.now %>\n<%= ENV.fetch('B') %>", scope)
    assert [problem.where for problem in raised.value.problems] == ["deploy.yml:1", "deploy.yml:2", "deploy.yml:3"]


def test_commands_when_they_are_allowed(scope):
    scope.commands = True
    assert rendered("<%= `cat two.txt | head -1`.chomp %>", scope) == "one"
    assert rendered("<%= %x(printf '%s' \"$NAME\") %>", scope) == "hey"
    assert rendered("<%= `echo #{ENV['NAME']}`.strip %>", scope) == "hey"


@pytest.mark.parametrize(("machine", "name"), [("x86_64", "amd64"), ("aarch64", "arm64"), ("riscv64", "riscv64")])
def test_the_architecture_as_docker_names_it(machine, name, scope, monkeypatch):
    monkeypatch.setattr(platform, "machine", lambda: machine)
    assert rendered("arch: <%= Kamal::Utils.docker_arch %>", scope) == f"arch: {name}"


def test_a_command_that_fails(scope):
    scope.commands = True
    with pytest.raises(ConfigError, match="the command `echo no >&2; exit 3` failed with exit code 3: no"):
        rendered("<%= `echo no >&2; exit 3` %>", scope)


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ('`curl -u x:#{ENV["PW"]} https://a`', 'the command `curl -u x:#{ENV["PW"]} https://a` is switched off'),
        ('%x(curl #{ENV["PW"]})', 'the command `curl #{ENV["PW"]}` is switched off'),
        ('ENV["PW"].first', ".first is called on a text, which is not a list"),
        ('ENV["PW"].split(",").strip', ".strip is called on a list, which is not text"),
        ('1 + ENV["PW"]', "a text cannot be added to a number"),
        ('ENV["A"] = ENV["PW"] + File.read("nul.txt")', "the value of A has a character that no variable"),
    ],
)
def test_a_value_is_in_no_message(source, told, scope, tmp_path):
    (tmp_path / "nul.txt").write_text("\0")
    scope.environ["PW"] = "hunter2"
    with pytest.raises(ConfigError) as raised:
        rendered(f"<%= {source} %>", scope)
    assert told in str(raised.value)
    assert "hunter2" not in str(raised.value)


def test_a_command_that_fails_is_told_as_it_is_written(scope):
    scope.commands, scope.environ["PW"] = True, "hunter2"
    with pytest.raises(ConfigError) as raised:
        rendered("<%= `true #{ENV['PW']} && exit 3` %>", scope)
    assert "the command `true #{ENV['PW']} && exit 3` failed with exit code 3" in str(raised.value)
    scope.environ["PW"] = "hunter2\0"
    with pytest.raises(ConfigError) as raised:
        rendered("<%= `true #{ENV['PW']}` %>", scope)
    assert "the command `true #{ENV['PW']}` cannot be run" in str(raised.value)


def test_a_command_in_a_branch_not_taken_is_not_run(scope, tmp_path):
    scope.commands = True
    assert rendered("<%= ENV['NAME'] || `touch made` %>", scope) == "hey"
    assert rendered("<% if false %><%= `touch made` %><% end %>", scope) == ""
    assert not (tmp_path / "made").exists()


def test_lines_keep_their_numbers(tmp_path):
    path = tmp_path / "deploy.yml"
    path.write_text(
        "<% if ENV['GONE'] -%>\n"
        "service: one\n"
        "<% else -%>\n"
        "service: two\n"
        "<% end -%>\n"
        "<%# a comment\nof two lines -%>\n"
        'image: <%= "a" -%>\n/b\n'
        "wrong: 1\n",
        encoding="utf-8",
    )
    with pytest.raises(ConfigError) as raised:
        load(str(path), None, Settings(environ={}))
    where = {problem.key_path: problem.where for problem in raised.value.problems}
    assert where["wrong"] == "deploy.yml:10"


def test_a_value_of_several_lines_keeps_later_numbers(tmp_path):
    (tmp_path / "list.txt").write_text("[h1,\n h2]\n", encoding="utf-8")
    path = tmp_path / "deploy.yml"
    path.write_text('service: a\nservers: <%= File.read("list.txt") %>\nwrong: 1\n', encoding="utf-8")
    with pytest.raises(ConfigError) as raised:
        load(str(path), None, Settings(environ={}))
    assert [problem.where for problem in raised.value.problems] == ["deploy.yml:3"]


def test_the_destination_is_known_and_both_files_are_rendered(tmp_path):
    (tmp_path / "deploy.yml").write_text('service: a\nservers: [h1]\nimage: "<%= ENV["KAMAL_DESTINATION"] %>"\n')
    (tmp_path / "deploy.staging.yml").write_text('servers: [<%= ENV["KAMAL_DESTINATION"] %>.example.com]\n')
    config = load(str(tmp_path / "deploy.yml"), "staging", Settings(environ={}))
    assert config.data["image"] == "staging"
    assert config.data["servers"] == ["staging.example.com"]


def test_what_dotenv_loads_stays_in_this_configuration(tmp_path):
    (tmp_path / ".env").write_text("HOST=h9\n")
    (tmp_path / "deploy.yml").write_text('<% Dotenv.load %>\nservice: a\nservers: [<%= ENV["HOST"] %>]\n')
    environ = {}
    assert load(str(tmp_path / "deploy.yml"), None, Settings(environ=environ)).data["servers"] == ["h9"]
    assert environ == {}


def fake_ruby(tmp_path, script):
    folder = tmp_path / "bin"
    folder.mkdir()
    ruby = folder / "ruby"
    ruby.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    ruby.chmod(ruby.stat().st_mode | stat.S_IXUSR)
    return str(folder)


def test_ruby_renders_when_asked(tmp_path):
    path = fake_ruby(tmp_path, 'test "$2" = -e && sed "s/<%.*%>/from-ruby-$NAME/"')
    scope = Scope({"PATH": f"{path}:/usr/bin:/bin", "NAME": "x"}, str(tmp_path))
    result = render("a: <%= anything at all %>\nb\n", str, scope, "ruby")
    assert result.text == "a: from-ruby-x\nb\n"
    assert result.source_line(2) == 2


def test_ruby_is_not_started_for_a_file_without_erb(tmp_path):
    scope = Scope({"PATH": fake_ruby(tmp_path, "exit 1")}, str(tmp_path))
    assert render("a: 1", str, scope, "ruby").text == "a: 1"


def test_ruby_fails(tmp_path):
    scope = Scope({"PATH": fake_ruby(tmp_path, "echo broken >&2; exit 1")}, str(tmp_path))
    with pytest.raises(ConfigError, match="ruby could not render the ERB: broken"):
        render("<%= x %>", str, scope, "ruby")


def test_ruby_is_not_installed(tmp_path):
    with pytest.raises(ConfigError, match="there is no ruby on the controller"):
        render("<%= x %>", str, Scope({"PATH": str(tmp_path)}, str(tmp_path)), "ruby")


def test_an_unknown_engine(tmp_path):
    with pytest.raises(ConfigError, match='kamal_erb is "perl"'):
        render("<%= x %>", str, Scope({}, str(tmp_path)), "perl")


# Where there is a Ruby

RUBY = shutil.which("ruby")
needs_ruby = pytest.mark.skipif(RUBY is None, reason="there is no ruby here")


def with_ruby(text, scope):
    environ = {**scope.environ, "PATH": os.environ["PATH"]}
    return render(text, lambda line: f"deploy.yml:{line}", Scope(environ, scope.project_root), "ruby")


@needs_ruby
def test_ruby_has_the_same_values(scope):
    text = "".join(f"<%= {expression} %>\x1e" for expression, _expected in EXPRESSIONS)
    values = with_ruby(text, scope).text.split("\x1e")[:-1]
    assert dict(zip(EXPRESSIONS, values, strict=True)) == {pair: pair[1] for pair in EXPRESSIONS}


@needs_ruby
@pytest.mark.parametrize(
    ("template", "expected"),
    [pair for pair in TEMPLATES if not any(part in pair[0] for part in ("otenv", "nothing", "#"))],
)
def test_ruby_makes_the_same_of_a_template(template, expected, scope):
    assert with_ruby(template, scope).text == expected


@needs_ruby
@pytest.mark.parametrize(
    ("template", "line", "words"),
    [
        ("a: 1\n\nb: <%= nothing_here %>", 3, "NameError: undefined local variable"),
        ("a: 1\n<% if true -%>\nb: <%= ENV.fetch('GONE') %>\n<% end -%>", 3, 'KeyError: key not found: "GONE"'),
        ("a: 1\nb: <%= (1 %>\nc: 2", 2, "SyntaxError"),
        ("a: 1\n<%= File.read('gone.txt') %>", 2, "Errno::ENOENT: No such file"),
        ("a: 1\n<%= raise 'one\ntwo' %>", 2, "RuntimeError: one"),
    ],
)
def test_an_error_of_ruby_names_the_line_of_the_file(template, line, words, scope):
    with pytest.raises(ConfigError) as raised:
        with_ruby(template, scope)
    assert len(raised.value.problems) == 1
    assert raised.value.problems[0].where == f"deploy.yml:{line}"
    assert words in raised.value.problems[0].message
    assert "erb.rb" not in str(raised.value)
    assert len(str(raised.value).splitlines()) == 1


@needs_ruby
@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("<%= Kamal::VERSION %>", "2.12.0"),
        ("<%= defined?(Kamal::Utils.docker_arch) %>", "method"),
        ("<%= nil.blank? && [].blank? && !5.blank? && 'a'.present? %>", "true"),
        ("<%= nil.try(:strip).inspect %><%= ' a '.try(:strip) %>", "nila"),
        ("<% %w[a b].each do |x| -%>\n- <%= x %>\n<% end -%>\n", "- a\n- b\n"),
        ("  <%- if true -%>\na\n  <%- end -%>\nb", "a\nb"),
        ("a: é <%= 'ü' %>\n", "a: é ü\n"),
    ],
)
def test_ruby_has_what_kamal_has(template, expected, scope):
    assert with_ruby(template, scope).text == expected


@needs_ruby
def test_lines_keep_their_numbers_with_ruby(tmp_path):
    path = tmp_path / "deploy.yml"
    path.write_text("<% [1].each do -%>\nservice: <%=\n'a' %>\n<%- end -%>\n<%# why -%>\nservers: [h]\nwrong: 1\n")
    with pytest.raises(ConfigError) as raised:
        load(str(path), None, Settings(environ=dict(os.environ), erb="ruby"))
    assert str(raised.value).startswith("deploy.yml:7: wrong: unknown key")
