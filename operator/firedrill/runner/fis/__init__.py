"""AWS Fault Injection Service, as runner and guardian ask it."""
