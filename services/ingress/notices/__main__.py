"""Entry point of `python -m services.ingress.notices`: serves until SIGTERM."""

from services.ingress.notices.settings import Settings
from services.ingress.notices.wiring import NAME, serve
from shared.runtime.process import run_service

if __name__ == "__main__":
    run_service(NAME, Settings, serve)
