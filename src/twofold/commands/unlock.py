"""What can be done for opening a repository before a verb is even loaded."""

from twofold.backend import open_backend
from twofold.errors import TwofoldError
from twofold.options import Secret
from twofold.repository import begin_unlocking


def begin(location: str, secret: Secret) -> None:
    """Let the key derivation begin. Whatever fails is told when the repository is opened."""
    try:
        with open_backend(location) as backend:
            begin_unlocking(backend, secret.reveal())
    except TwofoldError:
        return
