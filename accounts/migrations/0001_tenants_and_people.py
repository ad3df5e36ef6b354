import accounts.models.people
import accounts.models.tenants
import django.core.validators
import django.db.models.deletion
import django.db.models.functions.text
import django.utils.timezone
import uuid
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('auth', '0012_alter_user_first_name_max_length'),
    ]

    operations = [
        migrations.CreateModel(
            name='Tenant',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('name', models.CharField(max_length=120, verbose_name='name')),
                ('slug', models.SlugField(max_length=63, unique=True, verbose_name='short name')),
                ('time_zone', models.CharField(default='UTC', max_length=64, validators=[accounts.models.tenants.validate_time_zone], verbose_name='time zone')),
                ('totp_issuer', models.CharField(blank=True, help_text="What people see in their app beside the code. Empty: the tenant's name.", max_length=60, validators=[django.core.validators.RegexValidator('^[^:%\\x00-\\x1f]*$', 'Leave out colons, per cent signs and control characters.')], verbose_name='name in authenticator apps')),
                ('help_contact', models.CharField(blank=True, help_text='Who people ask when they are stopped: a name, a telephone number, a mail address.', max_length=200, verbose_name='help contact')),
                ('is_active', models.BooleanField(default=True, verbose_name='active')),
                ('is_default', models.BooleanField(default=False, editable=False, verbose_name='default')),
                ('policy_version', models.PositiveIntegerField(default=0, editable=False)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
            ],
            options={
                'verbose_name': 'tenant',
                'verbose_name_plural': 'tenants',
                'ordering': ['name'],
                'constraints': [models.UniqueConstraint(condition=models.Q(('is_default', True)), fields=('is_default',), name='one_default_tenant')],
            },
        ),
        migrations.CreateModel(
            name='AddressAnchor',
            fields=[
                ('digest', models.CharField(max_length=64, primary_key=True, serialize=False)),
                ('known_since', models.DateTimeField(default=django.utils.timezone.now)),
                ('grace_closed_at', models.DateTimeField(null=True)),
            ],
        ),
        migrations.CreateModel(
            name='User',
            fields=[
                ('password', models.CharField(max_length=128, verbose_name='password')),
                ('last_login', models.DateTimeField(blank=True, null=True, verbose_name='last login')),
                ('is_superuser', models.BooleanField(default=False, help_text='Designates that this user has all permissions without explicitly assigning them.', verbose_name='superuser status')),
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('email', models.EmailField(error_messages={'unique': 'Somebody has this address.'}, max_length=254, unique=True, verbose_name='mail address')),
                ('name', models.CharField(blank=True, max_length=150, verbose_name='name')),
                ('role', models.CharField(choices=[('user', 'User'), ('administrator', 'Administrator')], default='user', max_length=20, verbose_name='role')),
                ('is_active', models.BooleanField(default=True, verbose_name='active')),
                ('language', models.CharField(blank=True, max_length=10, verbose_name='language')),
                ('security_version', models.PositiveIntegerField(default=1, editable=False)),
                ('webauthn_handle', models.BinaryField(default=accounts.models.people.new_webauthn_handle, max_length=64, unique=True)),
                ('mfa_enrolled_at', models.DateTimeField(blank=True, editable=False, null=True, verbose_name='enrolled since')),
                ('first_sign_in_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('known_since', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ('grace_closed_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('joined_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('date_joined', models.DateTimeField(default=django.utils.timezone.now, editable=False, verbose_name='added')),
                ('groups', models.ManyToManyField(blank=True, help_text='The groups this user belongs to. A user will get all permissions granted to each of their groups.', related_name='user_set', related_query_name='user', to='auth.group', verbose_name='groups')),
                ('user_permissions', models.ManyToManyField(blank=True, help_text='Specific permissions for this user.', related_name='user_set', related_query_name='user', to='auth.permission', verbose_name='user permissions')),
            ],
            options={
                'verbose_name': 'person',
                'verbose_name_plural': 'people',
                'ordering': ['email'],
            },
        ),
        migrations.CreateModel(
            name='Invitation',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('digest', models.CharField(max_length=64, unique=True)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('expires_at', models.DateTimeField()),
                ('used_at', models.DateTimeField(null=True)),
                ('person', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='invitations', to=settings.AUTH_USER_MODEL)),
            ],
        ),
        migrations.CreateModel(
            name='TenantDomain',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('domain', models.CharField(max_length=253, unique=True, validators=[django.core.validators.RegexValidator('^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\\.)+[a-z0-9-]{2,63}$', 'Enter a domain such as example.com.'), accounts.models.tenants.validate_domain], verbose_name='domain')),
                ('tenant', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='domains', to='accounts.tenant', verbose_name='tenant')),
            ],
            options={
                'verbose_name': 'mail domain',
                'verbose_name_plural': 'mail domains',
                'ordering': ['domain'],
            },
        ),
        migrations.AddField(
            model_name='user',
            name='tenant',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='people', to='accounts.tenant', verbose_name='tenant'),
        ),
        migrations.AddIndex(
            model_name='user',
            index=models.Index(fields=['tenant', 'mfa_enrolled_at'], name='person_tenant_enrolled'),
        ),
        migrations.AddConstraint(
            model_name='user',
            constraint=models.UniqueConstraint(django.db.models.functions.text.Lower('email'), name='one_person_per_address'),
        ),
    ]
