"""What one would write by hand: one HTTP client, a semaphore, and the labels in a list.

    python -m benchmarks.judge.naive URL COUNT CONCURRENCY [--likely]

No retries, no budget, no check of the answer but that it is JSON with a label; nothing is written down.
Prints seconds of the clock and of this process's processor.
"""

import asyncio
import json
import sys
import time

import httpx2


async def main(url: str, count: int, concurrency: int, *, likely: bool) -> None:
    free = asyncio.Semaphore(concurrency)
    async with httpx2.AsyncClient(limits=httpx2.Limits(max_connections=concurrency)) as client:

        async def label(number: int) -> str:
            messages = [{"role": "user", "content": f"Is this text rude? {number} " + "word " * 300}]
            body: dict[str, object] = {"model": "scripted", "messages": messages}
            body |= {"logprobs": True, "top_logprobs": 5} if likely else {}
            async with free:
                answer = await client.post(url, content=json.dumps(body), timeout=60)
            return str(json.loads(answer.json()["choices"][0]["message"]["content"])["label"])

        began, used = time.perf_counter(), time.process_time()
        labels = await asyncio.gather(*map(label, range(count)))
    seconds = {"seconds": time.perf_counter() - began, "processor_s": time.process_time() - used}
    print(json.dumps(seconds | {"labels": len(labels)}))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), likely="--likely" in sys.argv))
