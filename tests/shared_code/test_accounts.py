from shared_code.accounts import Accounts


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def accounts(slots: int = 1) -> tuple[Accounts[str], Clock]:
    clock = Clock()
    return Accounts[str](slots, 1000, clock), clock


def work(book: Accounts[str], clock: Clock, caller: str, seconds: float, size_bytes: int = 0) -> None:
    book.takes(caller, size_bytes)
    clock.now += seconds
    book.gives_back(caller, 1, size_bytes)


def test_callers_have_equal_time_however_long_their_pictures_take() -> None:
    book, clock = accounts()
    seconds = {"large": 2.0, "small": 0.125}
    turns = dict.fromkeys(seconds, 0)
    for caller in seconds:
        book.joins(caller)
    for _ in range(170):
        caller = book.first(seconds)
        turns[caller] += 1
        work(book, clock, caller, seconds[caller])
    assert turns == {"large": 10, "small": 160}


def test_equals_are_served_in_turn() -> None:
    book, _ = accounts()
    served = []
    for _ in range(6):
        caller = book.first("abc")
        book.takes(caller, 0)
        book.gives_back(caller, 1)
        served.append(caller)
    assert served == list("abcabc")


def test_memory_counts_when_it_is_the_larger_share() -> None:
    """One of four slots, and nine tenths of the memory."""
    book, clock = accounts(slots=4)
    book.takes("large", 900)
    book.takes("small", 100)
    clock.now += 1
    assert book.first(["large", "small"]) == "small"
    book.gives_back("large", 1, 900)
    clock.now += 2.5
    assert book.first(["large", "small"]) == "small"
    clock.now += 0.5
    assert book.first(["large", "small"]) == "large"


def test_who_was_away_has_saved_up_nothing() -> None:
    """After an hour of another's work he comes first once, and then they share."""
    book, clock = accounts()
    for _ in range(3600):
        work(book, clock, "busy", 1)
    book.joins("away")
    served = []
    for _ in range(8):
        caller = book.first(["busy", "away"])
        served.append(caller)
        work(book, clock, caller, 1)
    assert served[0] == "away"
    assert served.count("busy") == 4


def test_who_was_busy_owes_no_more_than_his_last_turn() -> None:
    book, clock = accounts()
    for _ in range(3600):
        work(book, clock, "busy", 1)
    clock.now += 1
    book.joins("new")
    work(book, clock, "new", 1)
    book.joins("busy")
    served = []
    for _ in range(8):
        caller = book.first(["new", "busy"])
        served.append(caller)
        work(book, clock, caller, 1)
    assert served.count("busy") == 4
