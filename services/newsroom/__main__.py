"""Entry point of `python -m services.newsroom`: serves until SIGTERM."""

from services.newsroom.settings import Settings
from services.newsroom.wiring import NAME, serve
from shared.runtime.process import run_service

if __name__ == "__main__":
    run_service(NAME, Settings, serve)
