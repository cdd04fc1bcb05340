"""Pages of the newsroom and its public archive, beside a bare aiohttp page; `python -m benchmarks.newsroom --help`."""
