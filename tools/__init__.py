"""Programs that write what is generated: pages of docs/, parts of the chart, rules and dashboards.

Each module has a function `files()`: path → text of what it writes. ``python -m tools`` writes all of it.
"""
