"""What jobs are and mean, and how they look on `/metrics`. Pure: no clock, lock, socket or boto3."""
