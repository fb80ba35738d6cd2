"""What jobs are, and how they appear on `/metrics`. Pure: no clock, lock, socket or boto3."""
