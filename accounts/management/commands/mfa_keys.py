"""`manage.py mfa_keys`: encryption keys of second factors: make, look, prove, change, take over, retire."""

from argparse import ArgumentParser, RawDescriptionHelpFormatter
from textwrap import fill
from types import ModuleType
from typing import Any, Final

from django.db import Error as AnyDatabaseError

from accounts.flows.key_work import INTERRUPTED
from accounts.key_errors import KeyWorkFailed, KeyWorkRefused
from accounts.keyring import MisconfiguredKeys
from accounts.management.key_commands import adopt, ending, generate, retire, rotate, status, told, verify
from audit.management.answering import AnsweringCommand

WIDTH: Final = 100  # columns
WORDS: Final[dict[str, ModuleType]] = {
    "generate": generate,
    "status": status,
    "rotate": rotate,
    "verify": verify,
    "retire": retire,
    "adopt": adopt,
}


class Command(AnsweringCommand):
    """System checks are left out: a site whose keys are wrong needs these words most."""

    requires_system_checks = ()
    help = (
        "The encryption keys of second factors. The usual order of a change: generate; put the new key in front and "
        "restart every machine; rotate; verify; retire the old key; take it out."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        words = parser.add_subparsers(dest="word", required=True, metavar="WORD")
        for name, module in WORDS.items():
            described = f"{fill(module.HELP, WIDTH)}\n\nExamples:\n{module.EXAMPLES}\n\n{fill(told.CODES, WIDTH)}"
            word = words.add_parser(
                name, help=module.HELP, description=described, formatter_class=RawDescriptionHelpFormatter
            )
            word.add_argument("--json", action="store_true", help="answer in JSON")
            module.add_arguments(word)

    def handle(self, *args: Any, **options: Any) -> None:
        answer = told.Answer(self, in_json=options["json"])
        try:
            with ending.orderly():
                code = WORDS[options["word"]].run(answer, options)
        except KeyWorkRefused as refusal:
            raise answer.failure(refusal.code, str(refusal), returncode=told.REFUSED) from refusal
        except MisconfiguredKeys as refusal:
            raise answer.failure("misconfigured_keys", str(refusal), returncode=told.REFUSED) from refusal
        except KeyWorkFailed as failure:
            raise answer.failure(failure.code, str(failure), returncode=told.FAILED) from failure
        except KeyboardInterrupt as end:
            ended = KeyWorkFailed(INTERRUPTED)
            raise answer.failure(ended.code, str(ended), returncode=told.FAILED) from end
        except AnyDatabaseError as error:
            words = f"The database failed: {type(error).__name__}."
            raise answer.failure("database_failed", words, returncode=told.FAILED) from error
        if code:
            raise SystemExit(code)
