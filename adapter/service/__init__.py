"""The use cases that the command line and the web service share: whatever changes a server."""
