"""Signal quality: a simulated year of a large account, and whom the alerts that ship would have told of what.

`account` writes the year, `scrapes` runs the exporter through it, `evaluation` has Prometheus's own rule engine
evaluate the rules over what it scraped, and `judgement` holds the alerts against what was written.
"""
