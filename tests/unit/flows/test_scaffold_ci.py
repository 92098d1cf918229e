"""The CI files of a new project: every command is real, and what they set signs brickloop in."""

from __future__ import annotations

import re
import shlex
from typing import Any

import pytest
import responses
import yaml
from invoke.parser import Parser

from brickloop.clients.workspace import connect
from brickloop.config.settings import DEFAULTS
from brickloop.flows import scaffold
from brickloop.flows.scaffold_names import project_name
from brickloop.tasks import namespace

HOST = "https://prod.cloud.example"
GITHUB, AZURE, GITLAB = ".github/workflows/brickloop.yml", "azure-pipelines.yml", ".gitlab-ci.yml"
PYTEST = re.compile(r"pytest --junitxml=outputs/\S+\.xml")
REPORTS = {"BRICKLOOP_JUNIT", "BRICKLOOP_SUMMARY"}


@pytest.fixture(scope="module")
def files() -> dict[str, Any]:
    """The three files as their systems read them, and the project's settings."""
    made = {one.relative: one.data for one in scaffold.plan_project(project_name("sales"))}
    found = {name: yaml.safe_load(made[name]) for name in (GITHUB, AZURE, GITLAB)}
    found["pyproject"] = scaffold.tomllib.loads(made["pyproject.toml"].decode())
    return found


def jobs(files: dict[str, Any], system: str) -> dict[str, Any]:
    """The two jobs of a system's file."""
    if system == GITHUB:
        return dict(files[GITHUB]["jobs"])
    if system == AZURE:
        return {stage["stage"]: stage["jobs"][0] for stage in files[AZURE]["stages"]}
    return {name: files[GITLAB][name] for name in ("test", "deploy")}


def commands(files: dict[str, Any], system: str, job: str) -> list[str]:
    """What a job runs, command by command."""
    content = jobs(files, system)[job]
    if system == GITLAB:
        default = files[GITLAB]["default"]["before_script"]
        lines = [*default, *content["script"], *content.get("after_script", [])]
    else:
        key = "run" if system == GITHUB else "script"
        lines = [step[key] for step in content["steps"] if key in step]
    return [
        part.strip() for line in lines for part in re.split(r"&&|\|\||\n", line) if part.strip()
    ]


def variables(files: dict[str, Any], system: str, job: str) -> dict[str, str]:
    """The variables that a job's commands see."""
    content = jobs(files, system)[job]
    if system == GITHUB:
        return dict(content["env"])
    if system == GITLAB:
        return {**files[GITLAB]["variables"], **content["variables"]}
    found = content["variables"]
    if isinstance(found, list):
        found = {one["name"]: one["value"] for one in found if "name" in one}
    for step in content["steps"]:
        found = {**found, **step.get("env", {})}
    return dict(found)


@pytest.mark.parametrize("job", ["test", "deploy"])
@pytest.mark.parametrize("system", [GITHUB, AZURE, GITLAB])
def test_every_command_is_a_real_one_with_real_flags(files, system, job):
    groups = {"dev": files["pyproject"]["dependency-groups"]["dev"]}
    tools = {re.split(r"[\[>=]", one)[0] for one in groups["dev"]}
    parser = Parser(contexts=namespace().to_contexts())
    seen = set()
    for command in commands(files, system, job):
        words = shlex.split(command)
        if words[:2] == ["uv", "run"]:
            words = words[2:]
        if words[0] == "invoke":
            (task,) = parser.parse_argv(words[1:])
            seen.add(task.name)
            if "target" in task.args and task.args["target"].value:
                assert (
                    task.args["target"].value in files["pyproject"]["tool"]["brickloop"]["targets"]
                )
        elif words[0] in {"ruff", "pytest"}:
            assert words[0] in tools
            assert words[1:] == ["check"] or PYTEST.fullmatch(" ".join(words))
            seen.add(words[0])
        else:
            assert (
                words in (["doit"], ["uv", "sync"], ["pip", "install", "uv"]) or words[0] == "echo"
            )
            seen.add(words[0])
    wanted = {
        "test": {"doit", "pytest", "ruff"},
        "deploy": {"state.import", "build", "state.export"},
    }
    assert wanted[job] <= seen


@pytest.mark.parametrize("system", [GITHUB, AZURE, GITLAB])
def test_all_systems_do_the_same(files, system):
    for job in ("test", "deploy"):
        ours = [one for one in commands(files, system, job) if one.startswith("uv run")]
        assert ours == [one for one in commands(files, GITHUB, job) if one.startswith("uv run")]


@pytest.mark.parametrize("system", [GITHUB, AZURE, GITLAB])
def test_a_pull_request_sees_no_workspace_and_no_identity(files, system):
    seen = variables(files, system, "test")
    assert not [name for name in seen if name.startswith("DATABRICKS")]
    assert seen["BRICKLOOP_PROFILE"] == "local"
    if system == GITHUB:
        assert files[GITHUB]["permissions"] == {"contents": "read"}
        assert "permissions" not in jobs(files, GITHUB)["test"]
        assert "pull_request" in files[GITHUB][True], "'on' is true in YAML 1.1"
        assert "pull_request_target" not in files[GITHUB][True]
    for job in ("test", "deploy"):
        text = yaml.safe_dump(jobs(files, system)[job])
        assert "secrets." not in text and "DATABRICKS_TOKEN" not in text


@pytest.mark.parametrize("system", [GITHUB, AZURE, GITLAB])
def test_only_the_main_branch_is_deployed_and_one_at_a_time(files, system):
    deploy = jobs(files, system)["deploy"]
    if system == GITHUB:
        assert deploy["needs"] == "test"
        assert "pull_request" in deploy["if"] and "refs/heads/main" in deploy["if"]
        assert deploy["concurrency"]["cancel-in-progress"] is False
        assert deploy["permissions"] == {"contents": "read", "id-token": "write"}
        assert deploy["environment"] == "prod"
    elif system == AZURE:
        stage = files[AZURE]["stages"][1]
        assert stage["dependsOn"] == "test" and stage["lockBehavior"] == "sequential"
        assert "refs/heads/main" in stage["condition"] and "PullRequest" in stage["condition"]
    else:
        assert files[GITLAB]["stages"] == ["test", "deploy"]
        assert deploy["resource_group"] == deploy["environment"] == "prod"
        assert deploy["rules"] == [{"if": "$CI_COMMIT_BRANCH == $CI_DEFAULT_BRANCH"}]


@pytest.mark.parametrize("system", [GITHUB, AZURE, GITLAB])
def test_variables_of_brickloop_are_ones_that_it_reads(files, system):
    known = {f"BRICKLOOP_{name.upper()}" for name in DEFAULTS} | REPORTS
    for job in ("test", "deploy"):
        for name in variables(files, system, job):
            assert name in known or not name.startswith("BRICKLOOP_"), name


# what the systems themselves put into a job's environment
_GIVEN = {
    GITHUB: {
        "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "of-the-job",
        "ACTIONS_ID_TOKEN_REQUEST_URL": "https://ci.example/token?api-version=2",
    },
    AZURE: {
        "SYSTEM_TEAMFOUNDATIONCOLLECTIONURI": "https://ci.example/org/",
        "SYSTEM_TEAMPROJECTID": "p1",
        "SYSTEM_PLANID": "plan1",
        "SYSTEM_JOBID": "job1",
        "SYSTEM_HOSTTYPE": "build",
    },
    GITLAB: {"DATABRICKS_HOST": HOST, "DATABRICKS_CLIENT_ID": "app-1"},
}


@responses.activate
@pytest.mark.parametrize("system", [GITHUB, AZURE, GITLAB])
def test_the_deploy_jobs_variables_sign_brickloop_in(files, system, monkeypatch):
    """The job's own identity is exchanged for a token, which the first request bears."""
    filled = {"DATABRICKS_HOST": HOST, "DATABRICKS_CLIENT_ID": "app-1"}
    for name, value in {**variables(files, system, "deploy"), **_GIVEN[system]}.items():
        monkeypatch.setenv(name, filled.get(name, value))
    if system == GITLAB:
        (name,) = jobs(files, GITLAB)["deploy"]["id_tokens"]
        monkeypatch.setenv(name, "identity-of-the-job")
    responses.get(
        f"{HOST}/.well-known/databricks-config",
        json={
            "oidc_endpoint": f"{HOST}/oidc",
            "account_id": "account-1",
            "workspace_id": "1",
            "token_federation_default_oidc_audiences": ["account-1"],
        },
    )
    responses.get(
        f"{HOST}/oidc/.well-known/oauth-authorization-server",
        json={
            "authorization_endpoint": f"{HOST}/oidc/v1/authorize",
            "token_endpoint": f"{HOST}/oidc/v1/token",
        },
    )
    responses.get(
        "https://ci.example/token",
        json={"value": "identity-of-the-job"},
        match=[
            responses.matchers.query_param_matcher({"audience": "account-1"}, strict_match=False)
        ],
    )
    responses.post(
        "https://ci.example/org/p1/_apis/distributedtask/hubs/build/plans/plan1/jobs/job1/oidctoken",
        json={"oidcToken": "identity-of-the-job"},
    )
    exchange = responses.post(
        f"{HOST}/oidc/v1/token",
        json={"access_token": "good", "token_type": "Bearer", "expires_in": 3600},
        match=[lambda request: ("identity-of-the-job" in str(request.body), "another token")],
    )
    me = responses.get(
        f"{HOST}/api/2.0/preview/scim/v2/Me",
        json={"userName": "app-1"},
        match=[responses.matchers.header_matcher({"Authorization": "Bearer good"})],
    )
    client = connect(HOST)
    assert client.config.auth_type == variables(files, system, "deploy")["DATABRICKS_AUTH_TYPE"]
    assert client.current_user.me().user_name == "app-1"
    assert exchange.call_count >= 1 and me.call_count == 1
    assert "client_id=app-1" in str(exchange.calls[0].request.body)
