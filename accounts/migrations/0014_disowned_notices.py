from django.db import migrations, models


class Migration(migrations.Migration):
    """Whether the reader of a notice said that it was not them."""

    dependencies = [
        ('accounts', '0013_owed_notices'),
    ]

    operations = [
        migrations.AddField(
            model_name='notice',
            name='disowned_at',
            field=models.DateTimeField(editable=False, null=True),
        ),
    ]
