"""Writer of the JSON that Grafana reads: `python -m deploy.grafana`."""

from deploy.grafana.dashboard import BOARDS, FOLDER

if __name__ == "__main__":
    for board in BOARDS:
        (FOLDER / f"{board.name}.json").write_text(board.render())
