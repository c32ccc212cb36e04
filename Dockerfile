# syntax=docker/dockerfile:1
# Two stages: everything is installed into a virtual environment, and only that environment is shipped.
ARG BASE=python:3.11-slim

FROM ${BASE} AS build
# CPU wheels of the torch trio are a tenth of the size; `--build-arg TORCH_INDEX=` keeps the default ones (CUDA).
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
RUN python3 -m venv /opt/sensorium
ENV PATH=/opt/sensorium/bin:$PATH
WORKDIR /src
COPY requirements.lock ./
RUN pip install --no-cache-dir ${TORCH_INDEX:+--extra-index-url ${TORCH_INDEX}} -r requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY service ./service
COPY models ./models
COPY index ./index
RUN pip install --no-cache-dir --no-deps --no-build-isolation .

FROM ${BASE}
COPY --from=build /opt/sensorium /opt/sensorium
RUN useradd --create-home --uid 10001 sensorium \
    && install -d -o sensorium -g sensorium /data /models
# Whatever a library wants to keep goes where it can be written when the rest is read-only: weights to /models,
# what may be lost to /tmp.
ENV PATH=/opt/sensorium/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    TMPDIR=/tmp \
    XDG_CACHE_HOME=/tmp/cache \
    TORCHINDUCTOR_CACHE_DIR=/tmp/torchinductor \
    TRITON_CACHE_DIR=/tmp/triton \
    HF_HOME=/models/huggingface \
    TORCH_HOME=/models/torch \
    SENSORIUM_HOST=0.0.0.0 \
    SENSORIUM_DATA_DIR=/data \
    SENSORIUM_MODEL_CACHE=/models
USER sensorium
WORKDIR /home/sensorium
VOLUME ["/data", "/models"]
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s \
    CMD ["python3", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/readyz', timeout=4)"]
CMD ["sensorium", "serve"]
