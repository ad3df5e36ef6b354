from django.db import migrations, models


class Migration(migrations.Migration):
    """Whether the reader of a notice said that it was not them."""

    dependencies = [
        ('accounts', '0015_counted_by_an_index'),
    ]

    operations = [
        migrations.AddField(
            model_name='notice',
            name='disowned_at',
            field=models.DateTimeField(editable=False, null=True),
        ),
    ]
