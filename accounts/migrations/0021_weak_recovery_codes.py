from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0020_retired_keys'),
    ]

    operations = [
        migrations.AddField(
            model_name='recoverycode',
            name='weak',
            field=models.BooleanField(default=False),
        ),
    ]
