"""FastAPI around a transformers pipeline, as a user would write it in ten minutes.

uvicorn pipeline_server:app    (PIPELINE_MODEL: the model's folder)
"""

import os

from fastapi import FastAPI
from pydantic import BaseModel
from transformers import pipeline

classify = pipeline("text-classification", model=os.environ["PIPELINE_MODEL"], device="cpu")
app = FastAPI()


class Request(BaseModel):
    input: list[str]


@app.get("/health")
def health() -> dict[str, str]:
    return {"status": "ok"}


@app.post("/classify")
def scores(request: Request) -> list[dict[str, object]]:
    return list(classify(request.input, truncation=True))
