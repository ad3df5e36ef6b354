"""`manage.py demo_data`: tenants and people to try the site as."""

from typing import Any

from django.conf import settings
from django.core.management.base import CommandError

from audit.management.answering import AnsweringCommand
from policies import demo


class Command(AnsweringCommand):
    """Makes the demo's people once, and prints who they are and what each will see."""

    help = (
        "Make demo tenants and people, and print them. Only with DEBUG on: their password is public.\n\n"
        "Example: manage.py demo_data"
    )

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.DEBUG:
            raise CommandError("Demo people have a public password: this runs with DEBUG on only.")
        settings.EMAIL_BACKEND = "django.core.mail.backends.dummy.EmailBackend"  # nobody waits for these notices
        loaded = demo.load()
        width = max(len(wanted.email) for wanted, _ in loaded)
        self.stdout.write(f"\nOpen {settings.SITE_URL} and sign in as one of these, with the password\n")
        self.stdout.write(self.style.SUCCESS(f"    {demo.PASSWORD}\n"))
        for wanted, person in loaded:
            code = demo.code_now(person)
            hint = f"  [code now: {code}]" if code else ""
            self.stdout.write(f"  {wanted.email:<{width}}  {wanted.sees}{hint}")
        self.stdout.write("\nA code is good once and for a minute or so; run this command again for a new one.\n")
