"""Parent and child of multiprocessing (spawn) that count under one Lock, and hand tokens over by one Semaphore.

sem_open(3) maps a file under a temporary name, links it to the real one and removes the first: the parent holds
/dev/shm/sem.XXXXXX (deleted) with a link count of 1, the child, who opened it by its name, the name.

/data/state       what was counted, written under the lock: each process's own share, tokens made and taken
/data/lost        a process found another share of its own than it had written: somebody wrote without the lock
/data/newcomer    when it is made: a third process is started, who opens the lock by name and counts, too
"""

import json
import multiprocessing
import os
import time

STATE = "/data/state"


def read_state():
    with open(STATE) as file:
        return json.load(file)


def count(who, before, more):
    """This needs the lock. Without it, a count that another writes between read and write is lost, which is noticed."""
    state = read_state()
    if state.get(who, 0) != before:
        with open("/data/lost", "a") as file:
            file.write(f"{who}: {before} became {state.get(who, 0)}\n")
    time.sleep(0.002)
    state[who] = before + 1
    for key, value in more.items():
        state[key] = value
    with open(STATE + ".new", "w") as file:
        json.dump(state, file)
    os.rename(STATE + ".new", STATE)


def take_tokens(lock, tokens):
    taken = 0
    while True:
        tokens.acquire()
        taken += 1
        with lock:
            count("child", taken - 1, {"taken": taken})


def newcomer(lock):
    with lock:
        count("newcomer", 0, {})


def main():
    context = multiprocessing.get_context("spawn")
    lock = context.Lock()
    tokens = context.Semaphore(0)
    with open(STATE, "w") as file:
        json.dump({"made": 0, "taken": 0}, file)
    context.Process(target=take_tokens, args=(lock, tokens), daemon=True).start()
    made = 0
    invited = False
    while True:
        made += 1
        with lock:
            # A token is made first and handed over afterwards, so taken can never be more.
            count("parent", made - 1, {"made": made})
        tokens.release()
        if not invited and os.path.exists("/data/newcomer"):
            invited = True
            context.Process(target=newcomer, args=(lock,)).start()
        time.sleep(0.02)


if __name__ == "__main__":
    main()
