"""What `manage.py mfa_keys` does, a module for each of its words: arguments, the flow, and how it is told."""
