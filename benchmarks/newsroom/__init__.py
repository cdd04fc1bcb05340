"""Pages of the newsroom and its public archive, against a bare aiohttp page; `python -m benchmarks.newsroom --help`."""
