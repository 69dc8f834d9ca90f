using System.Text.Json.Nodes;
using Broker.Api.Authentication;
using Broker.Core.Catalog;
using Broker.Core.Identity;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using Shouldly;
using Xunit;

namespace Broker.Tests.Authentication;

/// <summary>
/// Tokens as widespread issuers write them, and key sets as they publish them, each from its documentation: what the
/// broker has to understand without being told more than the issuer's address and the audience.
/// </summary>
public sealed class IssuersInTheFieldTests : IAsyncLifetime
{
    private const string Kid = "field";

    private readonly FakeTimeProvider time = new(new DateTimeOffset(2030, 1, 1, 0, 0, 0, TimeSpan.Zero));
    private TokenMint mint = null!;
    private TokenMint other = null!;
    private OidcServer server = null!;

    /// <summary>One issuer.</summary>
    /// <param name="Iss">The token's <c>iss</c>.</param>
    /// <param name="Payload">Its claims, without times.</param>
    /// <param name="Keys">The key set: KEY is the signing key's n and e, OTHER another's.</param>
    /// <param name="Rule">The claims that a role's rule would name.</param>
    /// <param name="JwksUri">What the discovery document names; null: where the document came from.</param>
    public sealed record Row(string Iss, string Payload, string Keys, Dictionary<string, string> Rule, string? JwksUri = null);

    private static readonly Dictionary<string, Row> Rows = new()
    {
        // docs.aws.amazon.com/eks, "Fetch signing keys"; the API server's document names its own host (aws/containers-roadmap, 2234). Keys rotate, and several are there.
        ["EKS"] = new(
            "https://oidc.eks.eu-west-1.amazonaws.com/id/EXAMPLED539D4633E53DE1B71EXAMPLE",
            Pod("https://oidc.eks.eu-west-1.amazonaws.com/id/EXAMPLED539D4633E53DE1B71EXAMPLE", ""","node":{"name":"ip-10-0-1-7.eu-west-1.compute.internal","uid":"n"}"""),
            """{"keys":[{"kty":"RSA","alg":"RS256","use":"sig","kid":"older",OTHER},{"kty":"RSA","alg":"RS256","use":"sig","kid":"field",KEY}]}""",
            Kubernetes, "https://ip-172-16-45-221.eu-west-1.compute.internal:443/openid/v1/jwks"),

        // cloud.google.com/kubernetes-engine, projects.locations.clusters.getJwks.
        ["GKE"] = new(
            "https://container.googleapis.com/v1/projects/acme/locations/europe-west1/clusters/prod",
            Pod("https://container.googleapis.com/v1/projects/acme/locations/europe-west1/clusters/prod"),
            """{"keys":[{"kty":"RSA","alg":"RS256","use":"sig","kid":"field",KEY}]}""", Kubernetes),

        // learn.microsoft.com/azure/aks/use-oidc-issuer: the issuer ends with a slash.
        ["AKS"] = new(
            "https://westeurope.oic.prod-aks.azure.com/00000000-0000-0000-0000-000000000000/11111111-1111-1111-1111-111111111111/",
            Pod("https://westeurope.oic.prod-aks.azure.com/00000000-0000-0000-0000-000000000000/11111111-1111-1111-1111-111111111111/"),
            """{"keys":[{"use":"sig","kty":"RSA","kid":"field","alg":"RS256",KEY},{"use":"sig","kty":"RSA","kid":"next","alg":"RS256",OTHER}]}""", Kubernetes),

        // docs.openshift.com, "Using bound service account tokens": the issuer is the default one, or one on S3 where the cluster federates.
        ["OpenShift"] = new(
            "https://kubernetes.default.svc", Pod("https://kubernetes.default.svc"),
            """{"keys":[{"use":"sig","kty":"RSA","kid":"field","alg":"RS256",KEY}]}""", Kubernetes, "https://api-int.ocp.example.com:6443/openid/v1/jwks"),

        // docs.k3s.io: kube-apiserver's defaults; the document names the server's address.
        ["k3s"] = new(
            "https://kubernetes.default.svc.cluster.local", Pod("https://kubernetes.default.svc.cluster.local"),
            """{"keys":[{"use":"sig","kty":"RSA","kid":"field","alg":"RS256",KEY}]}""", Kubernetes, "https://192.168.1.10:6443/openid/v1/jwks"),

        // docs.github.com/actions/reference/security/oidc.
        ["GitHub"] = new(
            "https://token.actions.githubusercontent.com",
            """
            {"jti":"j","sub":"repo:octo-org/octo-repo:environment:prod","environment":"prod","aud":"broker","ref":"refs/heads/main","sha":"s",
             "repository":"octo-org/octo-repo","repository_owner":"octo-org","actor_id":"12","repository_visibility":"private","repository_id":"74",
             "repository_owner_id":"65","run_id":"1","run_number":"10","run_attempt":"2","runner_environment":"github-hosted","actor":"octocat",
             "workflow":"deploy","head_ref":"","base_ref":"","event_name":"push","ref_protected":"true","ref_type":"branch",
             "job_workflow_ref":"octo-org/automation/.github/workflows/oidc.yml@refs/heads/main","iss":"https://token.actions.githubusercontent.com"}
            """,
            """{"keys":[{"kty":"RSA","alg":"RS256","use":"sig","kid":"38826b17","x5t":"OIgmsXcW","x5c":["MIIDKzCCAhOgAwIBAgIUD"],OTHER},{"kty":"RSA","alg":"RS256","use":"sig","kid":"field","x5c":["MIIDKzCCAhOgAwIBAgIUE"],KEY}]}""",
            new() { ["repository"] = "octo-org/octo-repo", ["environment"] = "prod", ["ref"] = "refs/heads/main" }),

        // docs.gitlab.com/ci/secrets/id_token_authentication: ref without refs/heads, numbers as texts and runner_id as a number.
        ["GitLab"] = new(
            "https://gitlab.com",
            """
            {"namespace_id":"72","namespace_path":"my-group","project_id":"20","project_path":"my-group/my-project","user_id":"1","user_login":"sample-user",
             "user_email":"sample-user@example.com","user_identities":[{"provider":"github","extern_uid":"2435223452345"}],"pipeline_id":"574",
             "pipeline_source":"push","job_id":"302","ref":"main","ref_type":"branch","ref_path":"refs/heads/main","ref_protected":"true",
             "groups_direct":["mygroup/mysubgroup"],"environment":"production","environment_protected":"true","deployment_tier":"production",
             "runner_id":1,"runner_environment":"self-hosted","sha":"714a62","project_visibility":"public","ci_config_ref_uri":"gitlab.com/my-group/my-project//.gitlab-ci.yml@refs/heads/main",
             "jti":"j","iss":"https://gitlab.com","sub":"project_path:my-group/my-project:ref_type:branch:ref:main","aud":"broker"}
            """,
            """{"keys":[{"kty":"RSA","kid":"field","use":"sig","alg":"RS256",KEY},{"kty":"RSA","kid":"4i3sFE7s","use":"sig","alg":"RS256",OTHER}]}""",
            new() { ["project_path"] = "my-group/my-project", ["ref_protected"] = "true", ["runner_id"] = "1", ["user_identities/provider"] = "github" }),

        // keycloak.org/docs, server administration: an encryption key is published beside the signing key, and aud has "account" too.
        ["Keycloak"] = new(
            "https://sso.example.com/realms/prod",
            """
            {"jti":"trrtcc:1","iss":"https://sso.example.com/realms/prod","aud":["broker","account"],"sub":"0b0c1b5e-7a5c-4b57-9a7e-2a9d6f6e4b1c","typ":"Bearer",
             "azp":"orders-ci","acr":"1","allowed-origins":["/*"],"realm_access":{"roles":["offline_access","default-roles-prod"]},
             "resource_access":{"broker":{"roles":["orders-api"]},"account":{"roles":["view-profile"]}},"scope":"email profile",
             "clientHost":"10.0.0.7","email_verified":false,"preferred_username":"service-account-orders-ci","clientAddress":"10.0.0.7","client_id":"orders-ci"}
            """,
            """{"keys":[{"kid":"enc","kty":"RSA","alg":"RSA-OAEP","use":"enc","x5c":["MIICmzCCAYMCBg"],"x5t":"a","x5t#S256":"b",OTHER},{"kid":"field","kty":"RSA","alg":"RS256","use":"sig","x5c":["MIICmzCCAYMCBh"],"x5t":"c","x5t#S256":"d",KEY}]}""",
            new() { ["azp"] = "orders-ci", ["resource_access/broker/roles"] = "orders-api", ["email_verified"] = "false" }),

        // circleci.com/docs/openid-connect-tokens: names of claims that hold slashes.
        ["CircleCI"] = new(
            "https://oidc.circleci.com/org/0d9a0ab4-1c1d-4a4f-8b0e-9d5a5a0b7c11",
            """
            {"aud":"broker","iss":"https://oidc.circleci.com/org/0d9a0ab4-1c1d-4a4f-8b0e-9d5a5a0b7c11","sub":"org/0d9a0ab4/project/5f1e/user/77aa",
             "oidc.circleci.com/project-id":"5f1e","oidc.circleci.com/context-ids":["a1","b2"],"oidc.circleci.com/vcs-origin":"github.com/acme/orders",
             "oidc.circleci.com/vcs-ref":"refs/heads/main"}
            """,
            """{"keys":[{"use":"sig","kty":"RSA","kid":"field","alg":"RS256",KEY}]}""",
            new() { ["oidc.circleci.com~1project-id"] = "5f1e", ["oidc.circleci.com~1context-ids"] = "b2" }),

        // support.atlassian.com/bitbucket-cloud, "Integrate Pipelines with resource servers using OIDC": UUIDs in braces, a list of audiences.
        ["Bitbucket"] = new(
            "https://api.bitbucket.org/2.0/workspaces/acme/pipelines-config/identity/oidc",
            """
            {"iss":"https://api.bitbucket.org/2.0/workspaces/acme/pipelines-config/identity/oidc","aud":["ari:cloud:bitbucket::workspace/5f1e","broker"],
             "sub":"{2f1a-77}:{9c0d-11}","repositoryUuid":"{2f1a-77}","workspaceUuid":"{5f1e}","pipelineUuid":"{77}","stepUuid":"{9c0d-11}","branchName":"main",
             "deploymentEnvironmentUuid":"{a0}"}
            """,
            """{"keys":[{"kty":"RSA","kid":"field","use":"sig","alg":"RS256",KEY}]}""",
            new() { ["repositoryUuid"] = "{2f1a-77}", ["branchName"] = "main" }),

        // buildkite.com/docs/pipelines/security/oidc.
        ["Buildkite"] = new(
            "https://agent.buildkite.com",
            """
            {"iss":"https://agent.buildkite.com","sub":"organization:acme:pipeline:orders:ref:refs/heads/main:commit:9f3182061f1e2cca4702c368cbc039b7dc9d4485:step:build",
             "aud":"broker","organization_slug":"acme","pipeline_slug":"orders","build_number":1,"build_branch":"main","build_commit":"9f31","step_key":"build","job_id":"0184","agent_id":"0185"}
            """,
            """{"keys":[{"kty":"RSA","use":"sig","alg":"RS256","kid":"older",OTHER},{"kty":"RSA","use":"sig","alg":"RS256","kid":"field",KEY}]}""",
            new() { ["pipeline_slug"] = "orders", ["build_number"] = "1" }),

        // developers.google.com/identity/openid-connect, cloud.google.com/compute/docs/instances/verifying-instance-identity: keys at another host than the issuer.
        ["Google"] = new(
            "https://accounts.google.com",
            """
            {"aud":"broker","azp":"117","email":"orders@acme.iam.gserviceaccount.com","email_verified":true,"iss":"https://accounts.google.com","sub":"117",
             "google":{"compute_engine":{"project_id":"acme","zone":"europe-west1-b","instance_name":"runner-1"}}}
            """,
            """{"keys":[{"alg":"RS256","kty":"RSA","use":"sig","kid":"older",OTHER},{"kty":"RSA","use":"sig","alg":"RS256","kid":"field",KEY}]}""",
            new() { ["email"] = "orders@acme.iam.gserviceaccount.com", ["google/compute_engine/project_id"] = "acme" }),

        // auth0.com/docs/secure/tokens/json-web-tokens/create-custom-claims: claims named by URLs; an issuer that ends with a slash.
        ["Auth0"] = new(
            "https://acme.eu.auth0.com/",
            """
            {"https://acme.example/roles":["orders-api","reader"],"iss":"https://acme.eu.auth0.com/","sub":"ci@clients","aud":["broker","https://acme.eu.auth0.com/userinfo"],
             "azp":"ci","scope":"read:orders","gty":"client-credentials"}
            """,
            """{"keys":[{"kty":"RSA","use":"sig","kid":"field","x5t":"T","x5c":["MIIDBTCCAe2gAwIBAgIJ"],"alg":"RS256",KEY},{"kty":"RSA","use":"sig","kid":"next","alg":"RS256",OTHER}]}""",
            new() { [ClaimPath.Of("https://acme.example/roles")] = "orders-api", ["azp"] = "ci" }),

        // learn.microsoft.com/entra/identity-platform, access token claims: keys say no alg, and name their issuer.
        ["Entra"] = new(
            "https://login.microsoftonline.com/9188040d-6c67-4c5b-b112-36a304b66dad/v2.0",
            """
            {"aud":"broker","iss":"https://login.microsoftonline.com/9188040d-6c67-4c5b-b112-36a304b66dad/v2.0","aio":"E2ZgYD","azp":"6731de76-14a6-49ae-97bc-6eba6914391e",
             "azpacr":"2","oid":"690222be-ff1a-4d56-abd1-7e4f7d38e474","rh":"0.A","roles":["Databases.Read"],"sub":"690222be-ff1a-4d56-abd1-7e4f7d38e474",
             "tid":"9188040d-6c67-4c5b-b112-36a304b66dad","uti":"u","ver":"2.0","xms_ftd":"x"}
            """,
            """{"keys":[{"kty":"RSA","use":"sig","kid":"field","x5t":"field","x5c":["MIIC/TCCAeWgAwIBAgIIUd7j"],"cloud_instance_name":"microsoftonline.com","issuer":"https://login.microsoftonline.com/9188040d-6c67-4c5b-b112-36a304b66dad/v2.0",KEY},{"kty":"RSA","use":"sig","kid":"older","x5t":"older","issuer":"https://login.microsoftonline.com/{tenantid}/v2.0",OTHER}]}""",
            new() { ["azp"] = "6731de76-14a6-49ae-97bc-6eba6914391e", ["roles"] = "Databases.Read" }),

        // learn.microsoft.com/entra/identity-platform, access tokens of version 1.0: another issuer, with a slash at its end, and appid.
        ["Entra 1.0"] = new(
            "https://sts.windows.net/fa15d692-e9c7-4460-a743-29f29522229/",
            """
            {"aud":"broker","iss":"https://sts.windows.net/fa15d692-e9c7-4460-a743-29f29522229/","acr":"1","aio":"A","amr":["pwd"],"appid":"6731de76-14a6-49ae-97bc-6eba6914391e",
             "appidacr":"1","oid":"690222be-ff1a-4d56-abd1-7e4f7d38e474","roles":["Databases.Read"],"sub":"690222be-ff1a-4d56-abd1-7e4f7d38e474","tid":"fa15d692-e9c7-4460-a743-29f29522229","ver":"1.0"}
            """,
            """{"keys":[{"kty":"RSA","use":"sig","kid":"field","x5t":"field","x5c":["MIIC/TCCAeWgAwIBAgIIUd7j"],KEY}]}""",
            new() { ["appid"] = "6731de76-14a6-49ae-97bc-6eba6914391e", ["roles"] = "Databases.Read" }),

        // developer.okta.com/docs/reference/api/oidc, access tokens of a custom authorization server.
        ["Okta"] = new(
            "https://acme.okta.com/oauth2/default",
            """{"ver":1,"jti":"AT.0mP4JKAZX1iACIT4vbEDF7LpvDVjxypPMf0D7uX39RE","iss":"https://acme.okta.com/oauth2/default","aud":"broker","cid":"0oa1gjh63g214r0Hq0g4","scp":["databases"],"sub":"0oa1gjh63g214r0Hq0g4"}""",
            """{"keys":[{"kty":"RSA","alg":"RS256","kid":"field","use":"sig",KEY}]}""",
            new() { ["cid"] = "0oa1gjh63g214r0Hq0g4", ["scp"] = "databases" }),

        // dexidp.io/docs: the subject is a message of its own in Base64, the audience a list.
        ["Dex"] = new(
            "https://dex.example.com/dex",
            """
            {"iss":"https://dex.example.com/dex","sub":"CgNqYW4SBmdpdGh1Yg","aud":["broker","other"],"at_hash":"a","c_hash":"c","email":"jan@example.com","email_verified":true,
             "groups":["acme:dba","acme:ops"],"name":"Jan","federated_claims":{"connector_id":"github","user_id":"jan"}}
            """,
            """{"keys":[{"use":"sig","kty":"RSA","kid":"field","alg":"RS256",KEY}]}""",
            new() { ["groups"] = "acme:dba", ["federated_claims/connector_id"] = "github" }),

        // spiffe.io/docs/latest/keyless: JWT-SVIDs, with keys that say no use.
        ["SPIRE"] = new(
            "https://oidc-discovery.example.org",
            """{"aud":["broker"],"iss":"https://oidc-discovery.example.org","sub":"spiffe://example.org/ns/shop/sa/orders"}""",
            """{"keys":[{"kty":"RSA","kid":"other","alg":"RS256",OTHER},{"kty":"RSA","kid":"field","alg":"RS256",KEY}]}""",
            new() { ["sub"] = "spiffe://example.org/ns/shop/sa/orders" }),

        // developer.hashicorp.com/terraform/cloud-docs/workspaces/dynamic-provider-credentials/workload-identity-tokens.
        ["HCP Terraform"] = new(
            "https://app.terraform.io",
            """
            {"jti":"j","iss":"https://app.terraform.io","aud":"broker","sub":"organization:acme:project:Default Project:workspace:orders:run_phase:apply","terraform_run_phase":"apply",
             "terraform_workspace_id":"ws-1","terraform_workspace_name":"orders","terraform_organization_id":"org-1","terraform_organization_name":"acme","terraform_project_name":"Default Project","terraform_run_id":"run-1","terraform_full_workspace":"organization:acme:project:Default Project:workspace:orders"}
            """,
            """{"keys":[{"kty":"RSA","alg":"RS256","use":"sig","kid":"field",KEY}]}""",
            new() { ["terraform_organization_name"] = "acme", ["terraform_workspace_name"] = "orders" }),

        // learn.microsoft.com/azure/devops/pipelines/release/configure-workload-identity: the audience is Microsoft's, whoever is meant.
        ["Azure DevOps"] = new(
            "https://vstoken.dev.azure.com/11111111-1111-1111-1111-111111111111",
            """{"jti":"j","sub":"sc://acme/shop/orders-service-connection","aud":"broker","iss":"https://vstoken.dev.azure.com/11111111-1111-1111-1111-111111111111"}""",
            """{"keys":[{"kty":"RSA","use":"sig","kid":"field","alg":"RS256",KEY}]}""",
            new() { ["sub"] = "sc://acme/shop/orders-service-connection" }),

        // developer.hashicorp.com/vault/docs/secrets/identity/identity-token: Vault's, and OpenBao's, own identity tokens.
        ["Vault identity"] = new(
            "https://vault.example.com:8200/v1/identity/oidc",
            """{"aud":"broker","iss":"https://vault.example.com:8200/v1/identity/oidc","namespace":"root","sub":"7cc5c7e6-2a5f-4e51-ac51-35e6d9a1c3b7","groups":["orders"]}""",
            """{"keys":[{"use":"sig","kty":"RSA","kid":"field","alg":"RS256",KEY}]}""",
            new() { ["sub"] = "7cc5c7e6-2a5f-4e51-ac51-35e6d9a1c3b7", ["groups"] = "orders" }),

        // docs.aws.amazon.com/cognito, ID tokens (access tokens have no audience): names of claims with colons.
        ["Cognito"] = new(
            "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_AbCdEfGhI",
            """
            {"sub":"aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee","cognito:groups":["dba"],"email_verified":true,"iss":"https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_AbCdEfGhI",
             "cognito:username":"jan","origin_jti":"o","aud":"broker","event_id":"e","token_use":"id","auth_time":1893456000,"jti":"j"}
            """,
            """{"keys":[{"alg":"RS256","kid":"field","kty":"RSA","use":"sig",KEY},{"alg":"RS256","kid":"next","kty":"RSA","use":"sig",OTHER}]}""",
            new() { ["cognito:groups"] = "dba", ["token_use"] = "id" }),
    };

    private static Dictionary<string, string> Kubernetes => new() { ["namespace"] = "shop", ["serviceaccount"] = "orders", ["pod"] = "orders-1" };

    public static TheoryData<string> Names => [.. Rows.Keys];

    public async ValueTask InitializeAsync()
    {
        mint = new TokenMint(Kid, time, 0);
        other = new TokenMint("other", time, 1);
        server = await OidcServer.StartAsync();
    }

    public async ValueTask DisposeAsync()
    {
        await server.DisposeAsync();
        mint.Dispose();
        other.Dispose();
    }

    [Theory]
    [MemberData(nameof(Names))]
    public async Task A_token_as_its_issuer_writes_it_proves_its_caller(string name)
    {
        var row = Rows[name];
        (server.Issuer, server.Keys, server.JwksUri) = (row.Iss, KeysOf(row.Keys), row.JwksUri);
        using var prover = new CallerProver(
            new FixedCatalog(new IdentityIssuer { Name = "field", Authority = server.Authority, Issuer = row.Iss, Audience = "broker" }), new(new()), time, NullLogger<CallerProver>.Instance);

        var proof = await prover.ProveAsync(TokenOf(row, mint).AsMemory(), TestContext.Current.CancellationToken);
        var caller = proof.Caller.ShouldNotBeNull($"{proof.Failure}");
        caller.Subject.ShouldBe((string)JsonNode.Parse(row.Payload)!["sub"]!);
        new AllowRule("field", row.Rule).Matches(caller).ShouldBeTrue();
        foreach (var (claim, value) in row.Rule)
            new AllowRule("field", new Dictionary<string, string>(row.Rule) { [claim] = value + "x" }).Matches(caller).ShouldBeFalse(claim);
        (HolderId.WhyNot(caller, null) is null).ShouldBe(caller.PodUid is not null, "a pod needs no id of its own, everybody else does");

        using var thief = new TokenMint(Kid, time, 2);
        (await prover.ProveAsync(TokenOf(row, thief).AsMemory(), TestContext.Current.CancellationToken)).Failure.ShouldBe(ProofFailure.BadSignature);
    }

    [Fact]
    public async Task An_authority_of_all_tenants_proves_nobody_and_says_why_unless_one_issuer_is_named()
    {
        var row = Rows["Entra"];
        (server.Issuer, server.Keys) = ("https://login.microsoftonline.com/{tenantid}/v2.0", KeysOf(row.Keys));
        var all = new IdentityIssuer { Name = "field", Authority = server.Authority, Audience = "broker" };

        (await Should.ThrowAsync<InvalidDataException>(() => KeyFetching.FetchAsync(all, time))).Message.ShouldContain("set Authority to one tenant's");
        using (var prover = new CallerProver(new FixedCatalog(all), new(new()), time, NullLogger<CallerProver>.Instance))
            (await prover.ProveAsync(TokenOf(row, mint).AsMemory(), TestContext.Current.CancellationToken)).Failure.ShouldBe(ProofFailure.KeysUnavailable);

        using var named = new CallerProver(new FixedCatalog(all with { Issuer = row.Iss }), new(new()), time, NullLogger<CallerProver>.Instance);
        (await named.ProveAsync(TokenOf(row, mint).AsMemory(), TestContext.Current.CancellationToken)).Caller.ShouldNotBeNull();
        var others = row with { Payload = row.Payload.Replace("9188040d-6c67-4c5b-b112-36a304b66dad", "00000000-0000-0000-0000-000000000000", StringComparison.Ordinal) };
        (await named.ProveAsync(TokenOf(others, mint).AsMemory(), TestContext.Current.CancellationToken)).Failure.ShouldBe(ProofFailure.UnknownIssuer);
    }

    public static TheoryData<string, string?, bool> KeySets => new()
    {
        // A name is a hint, not a proof of which key it is.
        { """{"keys":[{"kty":"RSA","kid":"same",OTHER},{"kty":"RSA","kid":"same",KEY}]}""", "same", true },
        { """{"keys":[{"kty":"RSA","kid":"same","use":"enc",OTHER},{"kty":"RSA","kid":"same","use":"sig",KEY}]}""", "same", true },
        { """{"keys":[{"kty":"EC","crv":"P-256","kid":"same","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"},{"kty":"RSA","kid":"same",KEY}]}""", "same", true },
        { """{"keys":[{"kty":"RSA",OTHER},{"kty":"RSA",KEY}]}""", null, true },
        { """{"keys":[{"kty":"RSA",OTHER},{"kty":"RSA",KEY}]}""", "whatever", true },
        { """{"keys":[{"kty":"RSA","kid":"a",OTHER},{"kty":"RSA","kid":"b",KEY}]}""", null, true },
        { """{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"x","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"},{"kty":"oct","k":"AAPapAv4"},{"kty":"RSA","kid":"broken"},{"kty":"RSA","kid":"x",KEY}]}""", "x", true },
        { """{"keys":[{"kty":"RSA","kid":"odd","x5c":"text",OTHER},{"kty":"RSA","kid":7,OTHER},{"kty":"RSA","kid":"x","n":5,"e":[]},{"kty":["RSA"]},7,"text",null,{"kty":"RSA","kid":"x",KEY}]}""", "x", true },
        { """{"keys":[{"kty":"RSA","n":"AQAB","e":"AQAB"},{"kty":"RSA","n":"!","e":"AQAB"},{"kty":"EC","crv":"secp256k1","x":"AQAB","y":"AQAB"},{"kty":"RSA",KEY}]}""", null, true },

        { """{"keys":[{"kty":"RSA","kid":"a",KEY}]}""", "b", false },
        { """{"keys":[{"kty":"RSA","kid":"a","use":"enc",KEY}]}""", "a", false },
        { """{"keys":[{"kty":"RSA","kid":"a","alg":"PS256",KEY}]}""", "a", false },
        { """{"keys":[]}""", null, false },
    };

    [Theory]
    [MemberData(nameof(KeySets))]
    public async Task The_key_is_the_one_that_signed_whatever_it_is_called(string keys, string? kid, bool proves)
    {
        (server.Issuer, server.Keys) = (TokenMint.Issuer, KeysOf(keys));
        using var prover = new CallerProver(
            new FixedCatalog(new IdentityIssuer { Name = "field", Authority = server.Authority, Audience = "broker" }), new(new()), time, NullLogger<CallerProver>.Instance);
        var token = mint.Token(header: header =>
        {
            if (kid is null) header.Remove("kid");
            else header["kid"] = kid;
        });
        ((await prover.ProveAsync(token.AsMemory(), TestContext.Current.CancellationToken)).Caller is not null).ShouldBe(proves);
    }

    [Fact]
    public async Task Times_may_have_parts_of_a_second()
    {
        // RFC 7519, 2, NumericDate: "non-integer values can be represented"; PyJWT and Python's time.time() write them.
        (server.Issuer, server.Keys) = (TokenMint.Issuer, TokenMint.KeySet(mint));
        using var prover = new CallerProver(
            new FixedCatalog(new IdentityIssuer { Name = "field", Authority = server.Authority, Audience = "broker" }), new(new()), time, NullLogger<CallerProver>.Instance);
        var now = time.GetUtcNow().ToUnixTimeSeconds();
        var caller = await CallerAsync(prover, mint.Token(payload =>
        {
            payload["iat"] = now - 0.25;
            payload["nbf"] = now - 0.25;
            payload["exp"] = now + 600.75;
        }));
        caller.ExpiresAt.ShouldBeInRange(time.GetUtcNow().AddSeconds(600), time.GetUtcNow().AddSeconds(601));
    }

    [Fact]
    public async Task A_pod_is_one_holder_before_and_after_its_cluster_changes_its_issuer()
    {
        (server.Issuer, server.Keys) = ("https://new.example", TokenMint.KeySet(mint));
        var issuer = new IdentityIssuer { Name = "kubernetes", Authority = server.Authority, FormerIssuers = [TokenMint.Issuer], Audience = "broker" };
        using var prover = new CallerProver(new FixedCatalog(issuer), new(new()), time, NullLogger<CallerProver>.Instance);
        var before = await CallerAsync(prover, mint.Token());
        var after = await CallerAsync(prover, mint.Token(payload => payload["iss"] = "https://new.example"));
        HolderId.For("orders-api", after, null).ShouldBe(HolderId.For("orders-api", before, null));
        (await prover.ProveAsync(mint.Token(payload => payload["iss"] = "https://elsewhere").AsMemory(), TestContext.Current.CancellationToken)).Failure.ShouldBe(ProofFailure.UnknownIssuer);

        // The same as two entries, as people write who have not heard of FormerIssuers.
        using var two = new CallerProver(
            new FixedCatalog(
                new IdentityIssuer { Name = "old", Authority = server.Authority, Issuer = TokenMint.Issuer, Audience = "broker", Cluster = "prod" },
                new IdentityIssuer { Name = "new", Authority = server.Authority, Issuer = "https://new.example", Audience = "broker", Cluster = "prod" }),
            new(new()), time, NullLogger<CallerProver>.Instance);
        var old = await CallerAsync(two, mint.Token());
        var fresh = await CallerAsync(two, mint.Token(payload => payload["iss"] = "https://new.example"));
        (old.Issuer, fresh.Issuer).ShouldBe(("old", "new"));
        HolderId.For("orders-api", fresh, null).ShouldBe(HolderId.For("orders-api", old, null));
        HolderId.For("orders-api", fresh, null).BelongsTo(old).ShouldBeTrue();
    }

    private static async Task<Caller> CallerAsync(CallerProver prover, string token) =>
        (await prover.ProveAsync(token.AsMemory(), TestContext.Current.CancellationToken)).Caller.ShouldNotBeNull();

    // As kube-apiserver writes it (kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin, "Bound tokens").
    private static string Pod(string issuer, string more = "") =>
        $$"""
        {"aud":["broker"],"iss":"{{issuer}}","jti":"7126ea9a-5a4a-4d0a-9f5c-6d4d9f3f2a11","sub":"system:serviceaccount:shop:orders",
         "kubernetes.io":{"namespace":"shop","pod":{"name":"orders-1","uid":"5fd8e0e4-5b83-4d3d-9d7e-1f7c3b2e1a10"},"serviceaccount":{"name":"orders","uid":"14ee3fa4"},"warnafter":1893459607{{more}} } }
        """;

    private static string TokenOf(Row row, TokenMint by) => by.Token(payload =>
    {
        foreach (var standard in payload.Select(claim => claim.Key).Where(claim => claim is not ("iat" or "nbf" or "exp")).ToList()) payload.Remove(standard);
        foreach (var (claim, value) in JsonNode.Parse(row.Payload)!.AsObject()) payload[claim] = value?.DeepClone();
    });

    private string KeysOf(string keys) => keys.Replace("OTHER", Material(other), StringComparison.Ordinal).Replace("KEY", Material(mint), StringComparison.Ordinal);

    private static string Material(TokenMint mint)
    {
        var jwk = JsonNode.Parse(mint.Jwk)!;
        return $"\"n\":\"{jwk["n"]}\",\"e\":\"{jwk["e"]}\"";
    }
}
