"""Entry point of `python -m services.dispatcher`: serves until SIGTERM."""

from services.dispatcher.settings import Settings
from services.dispatcher.wiring import NAME, serve
from shared.runtime.process import run_service

if __name__ == "__main__":
    run_service(NAME, Settings, serve)
