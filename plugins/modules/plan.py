#!/usr/bin/python
# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: plan
short_description: A configuration resolved for one version, before anything is touched
version_added: 0.1.0
author: Caravan contributors (@caravan-deploy)
description:
  - Reads the configuration, checks all of it, finds the version, and resolves every name, environment, label, option,
    batch and path for the hosts of this run.
  - The plan holds the names of secrets, never their values. Whether every secret has a value is checked here.
  - Runs on the controller and connects to no host.
options:
  command:
    description: What the plan is for. It ends up in the history of the hosts.
    type: str
    choices:
      [deploy, redeploy, rollback, setup, remove, proxy, inspect, prune, build, dev, builder, boot, exec, bootstrap,
       broadcast, accessory, accessory_boot, env_push, env_delete, upgrade]
    default: deploy
  version:
    description:
      - The version to plan for.
      - Without it the variable C(kamal_version), the environment variable E(VERSION) and the commit of the git
        checkout are tried, in this order.
      - With V(previous) and O(command=rollback) the previous good version is taken from O(histories).
    type: str
  histories:
    description: For each host what M(caravan.kamal.service_info) answered there.
    type: dict
    default: {}
  build:
    description: Whether the image is built. By default the variable C(kamal_build), else V(true).
    type: bool
extends_documentation_fragment:
  - caravan.kamal.attributes
  - caravan.kamal.attributes.changes_nothing
notes:
  - The configuration comes from the variable C(kamal_config), or from the file that C(kamal_config_file) names.
  - Implemented as an action plugin.
seealso:
  - module: caravan.kamal.release
"""

EXAMPLES = r"""
- name: Plan a version that was built before
  caravan.kamal.plan:
    version: 3f2a9c1
    build: false
  run_once: true
  delegate_to: localhost
  register: planned

- name: Keep the plan where the other modules look for it
  ansible.builtin.set_fact:
    kamal_plan: "{{ planned.plan }}"
  run_once: true
  delegate_to: localhost
  delegate_facts: true
"""

RETURN = r"""
# Generated from plugins/plugin_utils/plan/model.py by `make docs`.
plan:
  description: The plan. The role plan keeps it in C(kamal_plan) of localhost.
  returned: success
  type: dict
  contains:
    service:
      description: The service.
      type: str
      sample: hello
    destination:
      description: The destination, or null.
      type: str
      sample: staging
    version:
      description: The version.
      type: str
      sample: 3f2a9c1b6f0e4d1d8a7c5b3e2f1a0d9c8b7a6f5e
    short_version:
      description: The version as people are shown it.
      type: str
      sample: 3f2a9c1
    command:
      description: What the plan is for.
      type: str
      sample: deploy
    performer:
      description: Who runs it.
      type: str
      sample: sam@example.com
    project_root:
      description: The folder of the project on the controller.
      type: str
      sample: /home/sam/hello
    secrets_path:
      description: The secrets file below it, without a destination.
      type: str
      sample: .kamal/secrets
    error_pages_path:
      description: The folder of its error pages on the controller, or null.
      type: str
      sample: /home/sam/hello/public
    gate_role:
      description: The role that the others wait for; null if no host takes part.
      type: str
      sample: web
    order:
      description: The hosts of this run in boot order.
      type: list
      elements: str
      sample: [web1, web2, worker1]
    all_hosts:
      description: These and the hosts of accessories and of the load balancer.
      type: list
      elements: str
      sample: [web1, web2, worker1, db1, lb1]
    roles:
      description: The roles that alone take part; empty for all.
      type: list
      elements: str
      sample: []
    serial:
      description: How many hosts go live at a time.
      type: int
      sample: 3
    wait:
      description: Seconds to wait between batches.
      type: int
      sample: 0
    connection_starts:
      description: How many connections to hosts are begun at a time.
      type: int
      sample: 30
    dns_retries:
      description: How often the name of a host is looked up again.
      type: int
      sample: 3
    lock:
      description: The deploy lock.
      type: dict
      contains:
        host:
          description: 'The host that keeps it: the first of all, or C(kamal_lock_host).'
          type: str
          sample: web1
        directory:
          description: Its directory there, relative to the home.
          type: str
          sample: .kamal/lock-hello
        ttl:
          description: 'Seconds that a lease lasts: the slowest batch or staging, and a margin.'
          type: int
          sample: 420
    build:
      description: How the image is built, null when it is not.
      type: dict
      contains:
        host:
          description: The host of the inventory that builder/remote names and that builds, or null.
          type: str
          sample: builder1
        service:
          description: The service, for the image's label.
          type: str
          sample: hello
        repository:
          description: The name of the image without a tag.
          type: str
          sample: registry.example.com/team/hello
        version:
          description: The version, its tag.
          type: str
          sample: 3f2a9c1
        latest:
          description: The second tag that is pushed.
          type: str
          sample: latest
        project_root:
          description: The folder of the project.
          type: str
          sample: /home/sam/hello
        context:
          description: The folder that is built as it is; null means a clean clone of the commit.
          type: str
        dockerfile:
          description: The Dockerfile, relative to the folder of the project.
          type: str
          sample: Dockerfile
        target:
          description: The stage of the Dockerfile that is built, or null for the last.
          type: str
        args:
          description: Build arguments; null takes the value from the environment.
          type: dict
          sample: {RUBY_VERSION: '3.3'}
        secrets:
          description: The names of the secrets that the build may read.
          type: list
          elements: str
          sample: [GEM_TOKEN]
        ssh:
          description: The SSH agent or keys that the build may use, or null.
          type: str
          sample: default
        arch:
          description: Architectures; empty means that of the build host.
          type: list
          elements: str
          sample: [amd64]
        driver:
          description: The driver of buildx, or null for the engine's own builder where that will do.
          type: str
        remote:
          description: The address of the engine that builds for other architectures, or null.
          type: str
          sample: ssh://builder
        local:
          description: Whether the engine of the build host builds too.
          type: bool
          sample: true
        cache_from:
          description: The cache that is read, or null.
          type: str
          sample: type=registry,ref=team/hello-build-cache
        cache_to:
          description: The cache that is written, or null.
          type: str
          sample: type=registry,ref=team/hello-build-cache,mode=max
        provenance:
          description: The provenance attestation, or null.
          type: str
          sample: mode=max
        sbom:
          description: The SBOM attestation, or null.
          type: str
          sample: 'true'
        pack:
          description: The builder and the buildpacks, or null for a Dockerfile.
          type: dict
        push:
          description: Whether a host needs to pull it.
          type: bool
          sample: true
        latest_here:
          description: Whether its second tag is given to it on the build host too.
          type: bool
          sample: false
    image:
      description: The image that was built elsewhere, or null.
      type: str
      sample: ghcr.io/acme/hello:1.4
    before_staging:
      description: 'What the role image has to do before hosts stage: V(deliver) it to them where there is no registry,
        V(look_up) what was built elsewhere, or null.'
      type: str
      sample: deliver
    hosts:
      description:
      - For each host what M(caravan.kamal.release) needs to know.
      - See O(caravan.kamal.release#module:plan).
      type: dict
    accessories:
      description: For each accessory what M(caravan.kamal.accessory) needs to know.
      type: dict
      contains:
        ACCESSORY:
          description: One of them.
          type: dict
          contains:
            name:
              description: The accessory, as the configuration names it.
              type: str
              sample: db
            service:
              description: The name of its container.
              type: str
              sample: hello-db
            body:
              description: The container for Docker's API, without secrets.
              type: dict
            secrets:
              description: By variable the name of the secret that it gets.
              type: dict
              sample: {POSTGRES_PASSWORD: DB_PASSWORD}
            env_file:
              description: The file with its secrets.
              type: str
              sample: .kamal/apps/hello/env/accessories/db.env
            secrets_file:
              description: The same if its secrets are read from there; null if they are handed over.
              type: str
            network:
              description: Its network.
              type: str
              sample: kamal
            files:
              description: The files that it is given.
              type: list
              elements: dict
              contains:
                local:
                  description: The file in the project.
                  type: str
                  sample: config/my.cnf
                path:
                  description: Where it is put.
                  type: str
                  sample: hello-db/etc/mysql/my.cnf
                template:
                  description: 'What renders it: V(erb), V(jinja) or null.'
                  type: str
                  sample: erb
                secret:
                  description: Whether there may be secrets in it.
                  type: bool
                  sample: false
                mode:
                  description: Its permissions.
                  type: str
                  sample: '0755'
                owner:
                  description: Its owner, or null for the SSH user.
                  type: str
                  sample: 999:999
            directories:
              description: The folders that are made for it.
              type: list
              elements: dict
              contains:
                path:
                  description: Where it is, below the home or absolute.
                  type: str
                  sample: hello-db/data
                mode:
                  description: Its permissions, or null to leave them.
                  type: str
                  sample: '0750'
                owner:
                  description: Its owner, or null to leave that.
                  type: str
                  sample: 999:999
            update:
              description: Whether the old container stops before the new one starts, or after.
              type: str
              sample: stop_first
            backup:
              description: A command that is run in the old container before it is replaced.
              type: list
              elements: str
              sample: [pg_dumpall]
            ready:
              description: A command in the container that succeeds when that is ready.
              type: list
              elements: str
              sample: [pg_isready]
            route:
              description: Its C(proxy) section of the configuration, null if it is not behind kamal-proxy.
              type: dict
            certificate:
              description: The certificate of its route, null where it has none of its own.
              type: dict
              contains:
                certificate:
                  description: The name of the secret that holds the certificate.
                  type: str
                  sample: CERTIFICATE_PEM
                private_key:
                  description: The name of the secret that holds its private key.
                  type: str
                  sample: PRIVATE_KEY_PEM
                directory:
                  description: Where both lie.
                  type: str
                  sample: .kamal/proxy/apps-config/hello/tls/web
            deploy_timeout:
              description: Seconds that it has to answer kamal-proxy's health check.
              type: int
              sample: 30
            drain_timeout:
              description: Seconds that requests under way may take.
              type: int
              sample: 30
            ready_timeout:
              description: Seconds that a new container has to become ready.
              type: int
              sample: 60
            readiness_delay:
              description: Seconds that a container without a health check must have run to count as ready.
              type: int
              sample: 7
            hosts:
              description: Its hosts, whatever part this run covers.
              type: list
              elements: str
              sample: [db1]
            registry:
              description: Where to log in for its image, or null.
              type: dict
              contains:
                server:
                  description: The server, null for Docker Hub.
                  type: str
                  sample: registry.example.com
                username:
                  description: 'The user as the configuration has it, or V({secret: NAME}).'
                  type: raw
                  sample: sam
                password:
                  description: 'Where the password is: V({secret: NAME}), or V({config: KEY/PATH}) where no secret
                    holds it.'
                  type: raw
            proxies:
              description:
              - By host its kamal-proxy; empty if it is not behind kamal-proxy.
              - See O(caravan.kamal.proxy#module:plan).
              type: dict
    balancers:
      description:
      - For each host of the load balancer what M(caravan.kamal.loadbalancer) needs to know.
      - See O(caravan.kamal.loadbalancer#module:plan).
      type: dict
    hooks:
      description: The hooks of the project that this run comes to.
      type: dict
      contains:
        HOOK:
          description: One of them.
          type: dict
          contains:
            file:
              description: Its file on the controller.
              type: str
              sample: /home/sam/hello/.kamal/hooks/pre-deploy
            kind:
              description: Whether it is a V(script) or a file of Ansible V(tasks).
              type: str
              sample: script
            'on':
              description: Tasks run on the V(controller), V(once) on the first host, or on all V(hosts).
              type: str
              sample: controller
            output:
              description: V(quiet), V(verbose) or null, as C(hooks_output) has it.
              type: str
            timeout:
              description: Seconds that it may take.
              type: int
              sample: 600
            secrets:
              description: The names of the secrets that it gets; null for all of them.
              type: list
              elements: str
              sample: [CHAT_URL]
    secrets:
      description: The names of all secrets that the controller has to know.
      type: list
      elements: str
      sample: [DATABASE_URL]
    secrets_from:
      description: 'Where containers get their secrets from: V(controller), or the hosts'' own env files, those
        of today (V(hosts)) or those that the version went live with (V(release)).'
      type: str
      sample: controller
    registry:
      description: Where to log in for the image of the service, or null.
      type: dict
      contains:
        server:
          description: The server, null for Docker Hub.
          type: str
          sample: registry.example.com
        username:
          description: 'The user as the configuration has it, or V({secret: NAME}).'
          type: raw
          sample: sam
        password:
          description: 'Where the password is: V({secret: NAME}), or V({config: KEY/PATH}) where no secret holds
            it.'
          type: raw
    registry_here:
      description: The registry on the controller that hosts pull from through their connections, or null.
      type: str
      sample: localhost:5555
    output:
      description: Where the run is recorded.
      type: dict
      contains:
        file:
          description: The folder of its files, below the project, or null.
          type: str
          sample: log/deploys
        otel:
          description: The OpenTelemetry collector, or null.
          type: str
          sample: http://otel.example.com:4318
    notices:
      description: What the operator is told.
      type: list
      elements: str
      sample: []
"""
