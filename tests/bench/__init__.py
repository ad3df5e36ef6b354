"""What the gate costs, as ratios against stock Django, django-otp and allauth: `python -m tests.bench`.

Both sides answer the same trivial view, or walk the same pages, in turn, on the same database and server. The
peers live in a throwaway environment of their own (`requirements.txt`), so nothing of them is installed here.
"""
