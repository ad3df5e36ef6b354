# Gatehouse in a container: dependencies by hash, no root, no build tools, no secrets inside.

FROM python:3.13-slim AS build
WORKDIR /srv/gatehouse
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python -m venv /srv/venv
COPY requirements.lock ./
RUN /srv/venv/bin/pip install --no-deps --require-hashes --only-binary :all: --requirement requirements.lock
COPY manage.py ./
COPY audit audit
COPY accounts accounts
COPY policies policies
COPY config config
COPY templates templates
COPY static static
# the names of static files carry their digests, so a page never meets the style of another version
RUN SECRET_KEY=only-for-this-step SITE_URL=https://localhost /srv/venv/bin/python manage.py collectstatic --no-input \
    && /srv/venv/bin/python -m compileall -q .

FROM python:3.13-slim
RUN useradd --system --uid 10001 --home-dir /srv/gatehouse --shell /usr/sbin/nologin gatehouse \
    && install --directory --owner 10001 --mode 700 /srv/exports /srv/checkpoints
WORKDIR /srv/gatehouse
ENV PATH=/srv/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
COPY --from=build /srv/venv /srv/venv
COPY --from=build /srv/gatehouse ./
USER 10001
EXPOSE 8000
HEALTHCHECK --interval=15s --timeout=5s --start-period=20s --retries=3 CMD ["python", "-m", "config.probe"]
CMD ["gunicorn", "--config", "python:config.gunicorn", "--bind", "0.0.0.0:8000", "config.wsgi"]
