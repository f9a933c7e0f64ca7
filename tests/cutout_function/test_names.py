from itertools import product

from cutout_function.names import error_name, png_name


def test_names() -> None:
    assert png_name("f/a.jpg") == "f/a.jpg.png"
    assert error_name("f/a.jpg") == "f/a.jpg.error.json"


def test_no_two_inputs_share_an_output() -> None:
    inputs = ["a" + "".join(ends) for ends in product(["", ".png", ".error.json", ".jpg"], repeat=3)]
    inputs = sorted(set(inputs))
    outputs = [name(one) for one in inputs for name in (png_name, error_name)]
    assert len(set(outputs)) == 2 * len(inputs)
