from django.db import migrations, models


class Migration(migrations.Migration):
    """Who has an address, or had it last: their later resets and moves hold for the addresses they gave up, too."""

    dependencies = [("accounts", "0005_no_contact_of_the_tenant")]

    operations = [
        migrations.AddField(
            model_name="addressanchor",
            name="person_id",
            field=models.UUIDField(db_index=True, null=True),
        ),
    ]
