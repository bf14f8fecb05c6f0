"""One run of one verb: what was given globally, how things are shown, and what came of it.

A verb's declaration gets a ``Session``, asks it for the repository, hands ``session.emit`` to the
command, shows the result and returns an exit code. It never prints and never looks at streams.
"""

import os
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import cached_property
from typing import Any

from twofold.cli import config, passwords
from twofold.cli.given import Given
from twofold.cli.render.base import Lines, Renderer
from twofold.cli.render.choice import renderer_for
from twofold.cli.render.words import printable
from twofold.errors import RefusedUnsafe, TwofoldError, UsageError
from twofold.events import Coarse, Emit
from twofold.options import RepositoryAccess, Secret, parse_size


class Session:
    """Made before the words are read; ``begin`` fixes how things are shown."""

    def __init__(self, given: Given) -> None:
        self.given = given
        self.result: object | None = None
        self._renderer: Renderer | None = None
        self._secret: Secret | None = None

    @cached_property
    def config(self) -> config.Config:
        """The configuration file, read when somebody needs it."""
        return config.load()

    def setting(self, name: str) -> Any:  # noqa: ANN401 (each option has its own type)
        """A global option: command line, environment, configuration file, None."""
        given = self.given(name)
        return given if given is not None else self.config.values.get(name.replace("_", "-"))

    @property
    def dry_run(self) -> bool:
        """Whether nothing may be written."""
        return bool(self.given("dry_run"))

    # the repository

    def location(self) -> str:
        """Where the repository is; ``UsageError`` when nobody said."""
        location = self.setting("repo")
        if not location:
            raise UsageError(
                "no repository is named",
                hint="use --repo, the variable TWOFOLD_REPO or 'repo' in the configuration file; "
                "'twofold init' makes a new one",
            )
        return str(location)

    def access(self, location: str | None = None) -> RepositoryAccess:
        """How to reach the repository."""
        return self._access(location or self.location(), self.secret)

    def new_access(self, location: str) -> RepositoryAccess:
        """How to reach a repository about to be made: a password that is asked for, twice."""
        return self._access(location, lambda: self.secret(new=True))

    def other_access(self, location: str, given: Given, what: str) -> RepositoryAccess:
        """How to reach a second repository, which has secrets of its own."""

        def secret() -> Secret:
            origin = passwords.find(given, config.Config(), {})
            return origin.read() if origin else self._asked(f"Password of {what}", new=False)

        return self._access(location, secret)

    def _access(self, location: str, secret: Callable[[], Secret]) -> RepositoryAccess:
        return RepositoryAccess(
            location, secret, self._limit("limit_upload"), self._limit("limit_download")
        )

    def secret(self, *, new: bool = False) -> Secret:
        """The password or key."""
        if self._secret is not None:
            return self._secret
        origin = self.known_secret()
        return (
            origin.read() if origin else self._asked("New password" if new else "Password", new=new)
        )

    def unlock_ahead(self) -> None:
        """Let the key derivation begin, where a password is there for the reading.

        Programs that print one are not run before the repository is found. What is wrong here is
        told by who needs it.
        """
        with suppress(TwofoldError):
            origin = self.known_secret()
            if origin is not None and origin.kind in ("password", "password_file"):
                from twofold.commands import unlock

                self._secret = origin.read()  # once: it may be a pipe
                unlock.begin(self.location(), self._secret)

    def new_secret(self, given: Given) -> Secret:
        """A further password or key, from places of its own or asked for twice."""
        origin = passwords.find(given, config.Config(), {})
        return origin.read() if origin else self._asked("New password", new=True)

    def known_secret(self) -> passwords.Origin | None:
        """Where the password or key is known to be, None when it must be asked for."""
        return passwords.find(self.given, self.config, os.environ)

    def _asked(self, question: str, *, new: bool) -> Secret:
        self.renderer.pause()
        return passwords.ask_twice(question) if new else passwords.ask(question)

    def _limit(self, name: str) -> int | None:
        value = self.setting(name)
        limit = parse_size(value) if isinstance(value, str) else value
        if limit is not None and limit <= 0:
            raise UsageError(f"--{name.replace('_', '-')} must be more than 0 bytes per second")
        return limit

    # what is shown

    def begin(self, verb: str, *, listing: bool = False) -> None:
        """The words are read: from here on things are shown as they ask for."""
        self._renderer = renderer_for(self.given, listing=listing, json=bool(self.given("json")))
        self._renderer.start(verb)

    def begin_anyhow(self, verb: str, *, json: bool) -> Renderer:
        """A renderer even for words that could not be read, to tell that."""
        if self._renderer is None:
            self._renderer = renderer_for(Given(), listing=False, json=json)
            self._renderer.start(verb)
        return self._renderer

    def end(self, code: int) -> None:
        """Say the last words, if anything was begun."""
        if self._renderer is not None:
            self._renderer.close(code, self.result)

    @property
    def renderer(self) -> Renderer:
        """What shows this run."""
        return self._renderer or self.begin_anyhow("", json=bool(self.given("json")))

    @property
    def emit(self) -> Emit:
        """Where commands tell what happens."""
        renderer = self.renderer
        return renderer.event if renderer.items else Coarse(renderer.event)

    def show(self, lines: Lines, result: object = None) -> None:
        """Show what was asked for: the lines, or the elements of the result as records."""
        self.renderer.show(lines, result)

    def show_item(self, kind: str, record: object, line: str) -> None:
        """Show one element of a result too long to be kept."""
        self.renderer.item(kind, record, line)

    def note_item(self, kind: str, record: object) -> None:
        """Tell programs one element of a result that people were told as an event."""
        self.renderer.item(kind, record, None)

    def tell(self, lines: Lines) -> None:
        """Tell people what quiet runs and programs do without."""
        self.renderer.tell(lines)

    def finish(self, result: object, lines: Lines = (), code: int = 0) -> int:
        """Keep the result for the summary, tell people about it, return the exit code."""
        self.result = result
        self.tell(lines)
        return code

    @property
    def columns(self) -> int:
        """How wide pictures may be: the terminal's width within reason, 80 where there is none."""
        import shutil

        return min(max(shutil.get_terminal_size((80, 24)).columns, 30), 120)

    @property
    def may_ask(self) -> bool:
        """Whether a question will be answered: by ``--yes`` or by somebody at a terminal."""
        return bool(self.given("yes")) or passwords.can_ask()

    def confirm(self, question: str, *, otherwise: str = "") -> bool:
        """Ask before something that cannot be undone; ``otherwise`` says why nobody asked is no."""
        answer = self._answer(f"{printable(question)} [y/N] ", otherwise)
        return answer is None or answer.lower() in ("y", "yes")

    def confirm_typed(self, warning: str, word: str, *, otherwise: str) -> bool:
        """The same before what destroys much: a word must be typed that names what is meant."""
        answer = self._answer(f"{warning} Type '{word}' to go on: ", otherwise)
        return answer is None or answer.strip("'") == word.strip()

    def _answer(self, question: str, otherwise: str) -> str | None:
        """What is typed, None where ``--yes`` answers all questions."""
        if self.given("yes"):
            return None
        self.renderer.pause()
        if not passwords.can_ask():
            raise RefusedUnsafe(otherwise, hint="add --yes if this is what you want")
        sys.stderr.write(question)
        sys.stderr.flush()
        return sys.stdin.readline().strip()
