"""Running the server: the socket, uvicorn, what is printed at the start, and a stop that nobody is cut off by."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
from collections.abc import Generator, Mapping
from types import FrameType
from urllib.parse import urlsplit, urlunsplit

import uvicorn

from sojourn import __version__
from sojourn.errors import ConfigurationError
from sojourn.server.answers import ADMIN
from sojourn.server.app import Server, make_server
from sojourn.server.dating import Dated
from sojourn.server.limits import BoundedProtocol, connections_at_most
from sojourn.server.logs import configure
from sojourn.server.settings import Settings, prepare, unknown_names

__all__ = ["STOP_S", "serve"]

STOP_S = 6
"""How long a stop waits for requests under way; with everything else it stays under 10 seconds."""

_log = logging.getLogger("sojourn.server")


def serve(settings: Settings, environ: Mapping[str, str] = os.environ) -> int:
    """Serve until SIGTERM or SIGINT; answers the exit code: 0, or 130 after Ctrl-C.

    Raises:
        ConfigurationError: The address is taken or not ours, or the folder cannot be used.
        StoreError: The store cannot be opened.
    """
    prepare(settings)
    configure(settings.log_format, sys.stderr, environ)
    for warning in unknown_names(environ):
        _log.warning(warning)
    with _listen(settings.host, settings.port) as listener:
        server = make_server(settings)
        config = _config(settings, server)
        with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
            return runner.run(_serve(settings, server, config, listener))


async def _serve(settings: Settings, server: Server, config: uvicorn.Config, listener: socket.socket) -> int:
    await server.services.manager.setup()  # first, so that a store that cannot be opened is one clear error
    hint = await _admin_hint(settings, server)
    stoppable = _Stoppable(config, server)
    port: int = listener.getsockname()[1]
    stoppable.banner = _banner(settings, port) + hint
    await stoppable.serve([listener])
    return 130 if signal.SIGINT in stoppable.heard else 0


def _config(settings: Settings, server: Server) -> uvicorn.Config:
    return uvicorn.Config(
        Dated(server.app),
        loop="auto" if sys.platform == "win32" else "uvloop",
        http=BoundedProtocol,
        limit_concurrency=connections_at_most(),
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,
        proxy_headers=bool(settings.behind_proxy),
        forwarded_allow_ips=list(settings.behind_proxy),
        timeout_graceful_shutdown=STOP_S,
        ssl_certfile=settings.tls_cert,
        ssl_keyfile=settings.tls_key,
    )


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        listener = socket.create_server((address[0], port), family=family, backlog=2048)
    except OSError as error:
        why = error.strerror or str(error)
        raise ConfigurationError(
            f"cannot listen on {host}:{port} ({why}). Is another server running? --port 0 takes a free port."
        ) from error
    listener.setblocking(False)
    return listener


class _Stoppable(uvicorn.Server):
    """uvicorn's server that ends event streams first, and leaves the process to us after a clean stop."""

    def __init__(self, config: uvicorn.Config, server: Server) -> None:
        super().__init__(config)
        self._server = server
        self.banner = ""
        self.heard: list[int] = []

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            sys.stdout.write(self.banner)
            sys.stdout.flush()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._server.hub.end_streams()
        await super().shutdown(sockets)
        _log.info("stopped")

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        # uvicorn's own raises the signal again after the stop, so that even a clean one would end as killed.
        before = {number: signal.signal(number, self.handle_exit) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self.heard.append(sig)
        super().handle_exit(sig, frame)


async def _admin_hint(settings: Settings, server: Server) -> str:
    async for user in server.services.directory.list():
        if ADMIN in user.roles:
            return ""
    place = ""
    if settings.store.startswith("memory:"):
        return "memory:// lives in this process: nobody can become administrator, and a stop forgets everything\n"
    if settings.data_dir is None:
        place = f" --store {_shown(settings.store)}"
    elif str(settings.data_dir) != ".sojourn":
        place = f" --data-dir {settings.data_dir}"
    return f"no administrator yet: sojourn users add NAME --role {ADMIN}{place}\n"


def _banner(settings: Settings, port: int) -> str:
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)  # noqa: S104 - what to click on
    origin = f"{'https' if settings.tls_cert else 'http'}://{f'[{host}]' if ':' in host else host}:{port}"
    return f"Sojourn {__version__} on {_shown(settings.store)}\nserver:  {origin}/\nconsole: {origin}/console\n"


def _shown(store: str) -> str:
    """A store's URL without its password."""
    parts = urlsplit(store)
    if parts.password is None:
        return store
    return urlunsplit(parts._replace(netloc=f"{parts.username}:•••@{parts.netloc.rpartition('@')[2]}"))
