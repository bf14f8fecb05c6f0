"""An operating system inside of an image, in a few lines.

p2: Windows 11 Pro 25H2, build 26200.7462
    computer DESKTOP-1, W. Europe Standard Time, installed 2024-03-01 for Blue
    users    blue, green (disabled)
    programs 112: 7-Zip 24.08, Firefox 131.0, ...
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from twofold.cli.render.base import Line
from twofold.cli.render.words import local_time, shortened, things, wrapped

if TYPE_CHECKING:
    from twofold.view import Program, SystemFacts, User

_INDENT = " " * 4
_NAMED = 5


def system_lines(
    system: "SystemFacts", columns_wide: int, *, programs: bool
) -> Iterator[str | Line]:
    """What it is, who uses it, what is installed; no line is wider than ``columns_wide``."""
    yield Line(shortened(f"p{system.partition}: {_title(system)}", columns_wide), "bold")
    for text in (_place(system), _users(system.users), _mounts(system)):
        if text:
            yield from wrapped(text, columns_wide, _INDENT)
    if programs:
        for each in system.programs:
            yield shortened(_INDENT + _program(each, details=True), columns_wide)
    elif system.programs:
        yield from wrapped(_some_programs(system), columns_wide, _INDENT)
    for note in system.notes:
        for line in wrapped(note, columns_wide, _INDENT):
            yield Line(line, "yellow")


def _title(system: "SystemFacts") -> str:
    version = system.version if system.version not in system.name else ""
    name = " ".join(filter(None, (system.name, version)))
    more = [f"build {system.build}"] if system.build else []
    if system.edition and system.edition.casefold() not in name.casefold():
        more.append(system.edition)
    return ", ".join([name, *more])


def _place(system: "SystemFacts") -> str:
    made = f"installed {local_time(system.installed_ns)[:10]}" if system.installed_ns else ""
    owner = f"registered to {system.owner}" if system.owner else ""
    computer = f"computer {system.computer}" if system.computer else ""
    return ", ".join(filter(None, (computer, system.time_zone, made, owner)))


def _users(users: "tuple[User, ...]") -> str:
    names = [each.name + (" (disabled)" if each.disabled else "") for each in users]
    return f"{things(len(names), 'user')}: {', '.join(names)}" if names else ""


def _mounts(system: "SystemFacts") -> str:
    return f"mounts {', '.join(system.mounts)}" if system.mounts else ""


def _some_programs(system: "SystemFacts") -> str:
    """How many, and the first few by their names."""
    few = ", ".join(_program(each, details=False) for each in system.programs[:_NAMED])
    more = ", …" if len(system.programs) > _NAMED else ""
    return f"{things(len(system.programs), 'program')}: {few}{more}"


def _program(program: "Program", *, details: bool) -> str:
    version = program.version if program.version not in program.name else ""
    name = " ".join(filter(None, (program.name, version)))
    if not details:
        return name
    owner = f"of {program.user}" if program.user else ""
    bits = f"{program.bits} bit" if program.bits == 32 else ""
    return ", ".join(filter(None, (name, program.publisher, program.installed, bits, owner)))
