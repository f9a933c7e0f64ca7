import pytest

from shared_code.modes import Mode
from shared_code.settings import CutoutSettings, SettingsError, StorageConnection, load_settings

URIS = {
    "CUTOUT_STORAGE__blobServiceUri": "https://a.blob.core.windows.net",
    "CUTOUT_STORAGE__queueServiceUri": "https://a.queue.core.windows.net",
}


def test_defaults() -> None:
    assert load_settings({}).cutout == CutoutSettings(
        None, "cutout-events", "uploads", "cutouts", Mode.BACKGROUND_REMOVAL
    )


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"CUTOUT_STORAGE": "UseDevelopmentStorage=true"}, ("UseDevelopmentStorage=true", "", "", "")),
        (URIS, ("", *URIS.values(), "")),
        (
            URIS | {"CUTOUT_STORAGE__credential": "managedidentity", "CUTOUT_STORAGE__clientId": "id"},
            ("", *URIS.values(), "id"),
        ),
    ],
)
def test_connections(variables: dict[str, str], expected: tuple[str, str, str, str]) -> None:
    assert load_settings(variables).cutout.storage == StorageConnection(*expected)


@pytest.mark.parametrize(
    ("variables", "named"),
    [
        ({"CUTOUT_INPUT_CONTAINER": "same", "CUTOUT_OUTPUT_CONTAINER": "same"}, "CUTOUT_OUTPUT_CONTAINER"),
        ({"CUTOUT_OUTPUT_CONTAINER": "uploads"}, "CUTOUT_OUTPUT_CONTAINER"),
        ({"CUTOUT_INPUT_CONTAINER": "Uploads"}, "CUTOUT_INPUT_CONTAINER"),
        ({"CUTOUT_INPUT_CONTAINER": "a"}, "CUTOUT_INPUT_CONTAINER"),
        ({"CUTOUT_INPUT_CONTAINER": "a--b"}, "CUTOUT_INPUT_CONTAINER"),
        ({"CUTOUT_INPUT_CONTAINER": "a/b"}, "CUTOUT_INPUT_CONTAINER"),
        ({"CUTOUT_QUEUE": "q" * 57}, "CUTOUT_QUEUE"),
        ({"CUTOUT_MODE": "background"}, "CUTOUT_MODE"),
        ({"CUTOUT_STORAGE__credential": "workload"}, "CUTOUT_STORAGE__credential"),
        (URIS | {"CUTOUT_STORAGE__queueServiceUri": ""}, "CUTOUT_STORAGE__queueServiceUri"),
        (URIS | {"CUTOUT_STORAGE__blobServiceUri": ""}, "CUTOUT_STORAGE__blobServiceUri"),
    ],
)
def test_malformed_values_are_named(variables: dict[str, str], named: str) -> None:
    with pytest.raises(SettingsError, match=named):
        load_settings(variables)


def test_the_connection_string_is_not_printed() -> None:
    settings = load_settings({"CUTOUT_STORAGE": "AccountKey=secret"})
    assert "secret" not in repr(settings) + repr(settings.cutout)
