"""The peers, as their own documentation sets them up; runs in the environment of `tests/bench/requirements.txt`.

BENCH_PEER says which: `plain` (Django with sessions and sign-in, nothing enforced), `otp` (the same with
django-otp's `otp_required` on the view) or `allauth` (allauth with its MFA).
"""
