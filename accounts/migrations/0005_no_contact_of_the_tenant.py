from django.db import migrations


class Migration(migrations.Migration):
    """Whom to ask for help is said by the policy: `policies.0003_contact_of_the_policy` takes it there before this."""

    dependencies = [("accounts", "0004_grace_and_attestation")]

    operations = [migrations.RemoveField(model_name="tenant", name="help_contact")]
