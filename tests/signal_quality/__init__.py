"""Signal quality: a simulated year of an account, and which alerts would have told whom of what.

`account` writes the year, `scrapes` runs the exporter through it, `evaluation` has Prometheus's own rule engine
evaluate the rules on what was scraped, and `judgement` compares the alerts with what was written.
"""
