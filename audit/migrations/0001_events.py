from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
    ]

    operations = [
        migrations.CreateModel(
            name='AuditChain',
            fields=[
                ('id', models.UUIDField(editable=False, primary_key=True, serialize=False)),
                ('sequence', models.PositiveBigIntegerField(default=0)),
                ('hash', models.CharField(default='0000000000000000000000000000000000000000000000000000000000000000', max_length=64)),
            ],
            options={
                'verbose_name': 'chain',
                'verbose_name_plural': 'chains',
                'default_permissions': ('view',),
            },
        ),
        migrations.CreateModel(
            name='AuditEvent',
            fields=[
                ('id', models.UUIDField(editable=False, primary_key=True, serialize=False)),
                ('form', models.PositiveSmallIntegerField(default=1)),
                ('chain', models.UUIDField()),
                ('sequence', models.PositiveBigIntegerField(verbose_name='number')),
                ('tenant_id', models.UUIDField(null=True, verbose_name='tenant')),
                ('kind', models.CharField(max_length=64, verbose_name='kind')),
                ('at', models.DateTimeField(verbose_name='time')),
                ('outcome', models.CharField(max_length=16, verbose_name='outcome')),
                ('actor_id', models.CharField(blank=True, max_length=64, verbose_name="actor's id")),
                ('actor_label', models.CharField(blank=True, max_length=320, verbose_name='actor')),
                ('target_type', models.CharField(blank=True, max_length=100, verbose_name="target's type")),
                ('target_id', models.CharField(blank=True, max_length=64, verbose_name="target's id")),
                ('target_label', models.CharField(blank=True, max_length=320, verbose_name='target')),
                ('ip', models.CharField(blank=True, max_length=45, verbose_name='IP address')),
                ('user_agent', models.CharField(blank=True, max_length=300, verbose_name='browser')),
                ('request_id', models.CharField(blank=True, max_length=64, verbose_name='request')),
                ('payload', models.JSONField(default=dict, verbose_name='facts')),
                ('salts', models.JSONField(default=dict)),
                ('digests', models.JSONField(default=dict)),
                ('prev_hash', models.CharField(max_length=64)),
                ('hash', models.CharField(max_length=64)),
                ('mac', models.CharField(max_length=64)),
                ('key_id', models.CharField(max_length=8)),
            ],
            options={
                'verbose_name': 'event',
                'verbose_name_plural': 'events',
                'ordering': ['-id'],
                'default_permissions': ('view',),
                'base_manager_name': 'objects',
                'indexes': [models.Index(fields=['tenant_id', '-id'], name='event_by_tenant'), models.Index(fields=['target_id', '-id'], name='event_by_target'), models.Index(fields=['kind', '-id'], name='event_by_kind'), models.Index(fields=['request_id'], name='event_by_request')],
                'constraints': [models.UniqueConstraint(fields=('chain', 'sequence'), name='one_event_per_number')],
            },
        ),
    ]
