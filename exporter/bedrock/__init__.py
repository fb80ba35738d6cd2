"""The only room that imports boto3: clients, credentials, limits of connections, pages, exceptions → reasons."""
