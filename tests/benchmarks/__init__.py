"""What the exporter costs, as ratios against boto3, prometheus_client and `json.loads`; run by `make bench`.

`server` is the Bedrock that is read, `product` the exporter under test, `cases` the measurements, `table` the rows made
of them with what each must reach, and `figure` the drawing. Linux only: memory is read from `/proc`.
"""
