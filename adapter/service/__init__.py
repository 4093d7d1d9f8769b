"""The use cases. The command line and the web service call these, and nothing below them."""
