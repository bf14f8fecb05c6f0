"""Options of a verb that the configuration file may answer for."""

from collections.abc import Mapping
from typing import Any

import click
from click.core import ParameterSource

from twofold.cli.run import Run


class Configured(click.Option):
    """Command line, then environment, then configuration file, then the default."""

    @property
    def key(self) -> str:
        """How the configuration file spells this option."""
        return max(self.opts, key=len).lstrip("-")

    def consume_value(
        self, ctx: click.Context, opts: Mapping[str, Any]
    ) -> tuple[Any, ParameterSource]:
        """Ask the file when nobody else has answered."""
        value, source = super().consume_value(ctx, opts)
        run = ctx.find_root().obj
        if source is not ParameterSource.DEFAULT or not isinstance(run, Run):
            return value, source
        values = run.session.config.values
        if self.key not in values:
            return value, source
        return values[self.key], ParameterSource.DEFAULT_MAP
