"""Entry point of `python -m services.subscriptions`: serves until SIGTERM."""

from services.subscriptions.settings import Settings
from services.subscriptions.wiring import NAME, serve
from shared.runtime.process import run_service

if __name__ == "__main__":
    run_service(NAME, Settings, serve)
