// Written by `npm run api-client` from the OpenAPI document of the API: not to be edited.
import type { FleetConfig as FleetDocument } from '@perfleet/fleet-config';
import type { Immutable } from '../immutable.ts';

export interface paths {
    "/api/v1/labels": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Names of labels */
        get: operations["labels"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/labels/{name}/values": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Values of a label with what each used, largest first */
        get: operations["labelValues"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/profile-types": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Profile types and their units */
        get: operations["profileTypes"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/flamegraph": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Flame graph as columns, depth first; the first level is the process */
        get: operations["flamegraph"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/top": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Functions by self value */
        get: operations["top"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/unresolved-binaries": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Binaries whose frames lack names, most samples first */
        get: operations["unresolvedBinaries"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/series": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Value per step */
        get: operations["series"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/diff": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Functions of two selections, largest change first */
        get: operations["diff"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/heatmap": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** How the value spreads over series or values of a label, per step */
        get: operations["heatmap"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/compare": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Two versions of a service: functions that gained or lost, with exact totals */
        get: operations["compare"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/export": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** The selection as a file */
        get: operations["export"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/sql": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** One read-only SELECT over the public views profiles, functions, spans, nodes, node_events, alert_history, deliveries, coverage, coverage_windows, unresolved_binaries */
        post: operations["sql"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/nodes": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Every node of the registry and its last word */
        get: operations["nodes"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/nodes/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** One node */
        get: operations["node"];
        put?: never;
        post?: never;
        /** Takes a node that is gone out of the registry */
        delete: operations["removeNode"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/nodes/{id}/timeline": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** What happened to one node, and the coverage of its samples */
        get: operations["nodeTimeline"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/fleet": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Every node as columns, for a view of thousands */
        get: operations["fleet"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/fleet/causes": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** What is wrong with nodes, grouped by cause, the most frequent first */
        get: operations["causes"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/config": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** The fleet's configuration; its version is also the ETag */
        get: operations["config"];
        /** Replaces the configuration */
        put: operations["putConfig"];
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/config/history": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Changes of the configuration, newest first */
        get: operations["configHistory"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/alerts": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Alerts about nodes: pending, firing and lately resolved */
        get: operations["alerts"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/alerts/history": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** What became of alerts, newest first */
        get: operations["alertHistory"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/alerts/{id}/acknowledge": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Somebody looks after this occurrence: it is not repeated */
        post: operations["acknowledge"];
        /** Nobody does after all */
        delete: operations["unacknowledge"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/silences": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Silences in force */
        get: operations["silences"];
        put?: never;
        /** Alerts that match are shown and not delivered */
        post: operations["silence"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/silences/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        /** The silences that remain */
        delete: operations["unsilence"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/sign-in": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** How a person can sign in besides with a token */
        get: operations["signIn"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/openapi.json": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** This document */
        get: operations["openApi"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/livez": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** The process answers */
        get: operations["live"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/readyz": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Both stores answer */
        get: operations["ready"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/metrics": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** What the server tells Prometheus */
        get: operations["metrics"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
}
export type webhooks = Record<string, never>;
export interface components {
    schemas: {
        /** @description Nodes as columns, in depth-first order; node 0 is the root and `parent[i] < i` */
        FlameGraphColumns: {
            strings: string[];
            /** @description Index of the parent; -1 for the root */
            parent: number[];
            /** @description Index into `strings`: function name */
            name: number[];
            /** @description Index into `strings`: source file, or "" */
            file: number[];
            /** @description Index into `strings`: module (base name of the binary), or "" */
            module: number[];
            /** @description Index into `strings`: profile.frame.type (native, kernel, v8js, …) */
            kind: number[];
            /** @description 1 when the frame was inlined into its parent */
            inlined: number[];
            self: number[];
            total: number[];
        };
        FlameGraphResponse: {
            type: string;
            unit: string;
            /** @description Of the graph */
            total: number;
            /** @description Of the selection, with what focus and ignore leave out */
            selected: number;
            graph: components["schemas"]["FlameGraphColumns"];
            /** @description Milliseconds that the query took in the store */
            tookMs: number;
        };
        TopResponse: {
            unit: string;
            total: number;
            functions: {
                function: string;
                file: string;
                module: string;
                kind: string;
                self: number;
                total: number;
            }[];
        };
        UnresolvedBinariesResponse: {
            binaries: {
                /** @description Path of the mapping as the process saw it */
                binary: string;
                binaryId: string;
                reason: string;
                /** @description First such sample of the range */
                since: number;
                /** @description Last such sample of the range */
                until: number;
                /** @description Samples with at least one such frame */
                samples: number;
                /** @description The same as a part of all samples of the selection, 0 to 1 */
                share: number;
                nodes: number;
            }[];
        };
        SeriesResponse: {
            unit: string;
            /** @description Seconds */
            step: number;
            times: number[];
            series: {
                labels: {
                    [key: string]: string;
                };
                values: number[];
            }[];
        };
        LabelsResponse: {
            labels: string[];
        };
        LabelValuesResponse: {
            /** @description Largest first */
            values: {
                value: string;
                /** @description What it had of the value */
                total: number;
            }[];
        };
        ProfileTypesResponse: {
            types: {
                type: string;
                unit: string;
            }[];
        };
        DiffResponse: {
            unit: string;
            baseTotal: number;
            total: number;
            functions: {
                function: string;
                file: string;
                module: string;
                kind: string;
                base: {
                    self: number;
                    total: number;
                };
                self: number;
                total: number;
            }[];
        };
        /** @description How the value spreads, step by step. One thing is a series, or one value of the label `by`. Only cells that hold something are there, by time, then bucket; their `value`s add up to `total` */
        HeatmapResponse: {
            type: string;
            unit: string;
            /** @description Of `bounds`: `cores` for nanoseconds of CPU time, `threads` for those of other time, else the unit with `/s` */
            rateUnit: string;
            /** @description Seconds */
            step: number;
            /** @description Start of each step */
            times: number[];
            /** @description Edges of the buckets, one more than there are buckets, ascending from 0. The largest rate is in the last bucket */
            bounds: number[];
            total: number;
            cells: {
                /** @description Index into `times` */
                time: number[];
                /** @description Index of the bucket: bounds[bucket] <= rate < bounds[bucket + 1] */
                bucket: number[];
                /** @description Things with a value in this step and a rate of this bucket */
                count: number[];
                /** @description What they used together, in `unit` */
                value: number[];
            };
        };
        CompareSide: {
            selector: string;
            from: number;
            until: number;
            total: number;
            /** @description Samples; 0 for types without a period */
            samples: number;
            pods: number;
        };
        CompareFunction: {
            function: string;
            file: string;
            module: string;
            kind: string;
            /** @description As measured, not scaled */
            base: {
                self: number;
                total: number;
            };
            self: number;
            total: number;
            /** @description self - base.self × scale */
            change: number;
        };
        /** @description Self values of `gained`, `lost` and `others` add up to the totals of both sides */
        CompareResponse: {
            type: string;
            unit: string;
            /** @enum {string} */
            per: "cpu" | "time" | "pod";
            /** @description What a value of the base is multiplied by; 0 when the base is empty */
            scale: number;
            base: components["schemas"]["CompareSide"];
            with: components["schemas"]["CompareSide"];
            /** @description Largest change first */
            gained: components["schemas"]["CompareFunction"][];
            lost: components["schemas"]["CompareFunction"][];
            /** @description Functions that the limit leaves out, and those that did not change */
            others: {
                functions: number;
                baseSelf: number;
                self: number;
                change: number;
            };
        };
        /** @description Every node of the registry as columns, ordered by cluster and name; 10,000 nodes are under a megabyte */
        FleetColumns: {
            strings: string[];
            node: string[];
            /** @description Index into `strings`: cluster */
            cluster: number[];
            /** @description 1 or 0 */
            alive: number[];
            /** @description Unix seconds */
            lastSeen: number[];
            /** @description Index into pods, containers-only, whole-system */
            mode: number[];
            /** @description 1 or 0 */
            fallback: number[];
            /** @description Index into `strings`: why */
            modeReason: number[];
            /** @description Index into `strings`: joined by commas */
            podRoots: number[];
            /** @description Index into `strings`: joined by semicolons */
            kubeletMismatches: number[];
            rung: number[];
            rungWanted: number[];
            /** @description Index into `strings`: why */
            rungReason: number[];
            rateHz: number[];
            /** @description As configured */
            rateWanted: number[];
            configVersion: number[];
            /** @description Index into `strings`: why that version is not the one in the store, "" when it is */
            configError: number[];
            /** @description Index into off, ok, lowered, exhausted */
            governor: number[];
            restarts: number[];
            /** @description Index into `strings`: cause of the last crash */
            crash: number[];
            taken: number[];
            lost: number[];
            /** @description Index into `strings`: release */
            kernel: number[];
            /** @description Index into `strings`: v1, v2 or hybrid */
            cgroupVersion: number[];
            /** @description Per mille of the samples of the last minutes, -1 = not known */
            lostShare: number[];
            /** @description Per mille of the samples of the last minutes, -1 = not known */
            unattributedShare: number[];
        };
        Cause: {
            /** @enum {string} */
            kind: "silent" | "fallback" | "rung" | "crash" | "config" | "kubelet" | "budget";
            /** @description The reason without what differs from node to node */
            cause: string;
            nodes: string[];
        };
        CausesResponse: {
            /** @description The most frequent first */
            causes: components["schemas"]["Cause"][];
        };
        /** @description `alive` is the heartbeat; the state is the node's last word */
        NodeSummary: {
            node: string;
            cluster: string;
            alive: boolean;
            lastSeen: number;
            /** @enum {string} */
            mode: "pods" | "containers-only" | "whole-system";
            fallback: boolean;
            modeReason: string;
            /** @description Paths inside the cgroup hierarchies that hold pods */
            podRoots: string[];
            /** @description What the kubelet declares and the cgroup layout contradicts */
            kubeletMismatches: string[];
            rung: number;
            rungReason: string;
            rungWanted: number;
            kernel: string;
            cgroupVersion: string;
            cpus: number;
            /** @description In effect */
            rateHz: number;
            /** @description As configured */
            rateWanted: number;
            /** @description Version of the fleet's configuration in force there */
            configVersion: number;
            /** @description Why it is not the one in the store */
            configError: string;
            /** @enum {string} */
            governor: "off" | "ok" | "lowered" | "exhausted";
            governorReason: string;
            /** @description Cost of collector and sampler: percent of one core */
            cpuPercent: number;
            /** @description Their resident memory */
            memoryMib: number;
            restarts: number;
            lastExit: string;
            taken: number;
            published: number;
            lost: {
                [key: string]: number;
            };
            clockSkewMs: number;
            /** @description Binaries that the node sends to the symbolizer; absent when it sends none */
            uploads?: {
                sent: number;
                sentBytes: number;
                had: number;
                refused: number;
                dropped: number;
                queued: number;
                queuedBytes: number;
                away: boolean;
                lastError: string;
            };
        };
        NodesResponse: {
            nodes: components["schemas"]["NodeSummary"][];
        };
        TimelineState: {
            /** @enum {string} */
            mode: "pods" | "containers-only" | "whole-system";
            fallback: boolean;
            rung: number;
            rateHz: number;
        };
        /** @description Oldest first. `before` is what held when the range begins; null when the node was not heard of before */
        NodeTimelineResponse: {
            from: number;
            until: number;
            before: components["schemas"]["TimelineState"] | null;
            events: {
                time: number;
                kind: string;
                message: string;
                epoch: string;
                state: components["schemas"]["TimelineState"] | null;
            }[];
            /** @description There were more events than are listed: the oldest are left out */
            truncated: boolean;
            /** @description Samples per step, by what they are attributed to. Steps without samples are left out */
            coverage: {
                /** @description Seconds */
                step: number;
                times: number[];
                pod: number[];
                container: number[];
                host: number[];
                nothing: number[];
                lost: number[];
            };
        };
        Alert: {
            /** @description The same condition of the same node has the same id */
            id: string;
            /** @enum {string} */
            kind: "silent" | "two-epochs" | "crash-loop" | "fallback" | "rung" | "kubelet-mismatch" | "loss" | "unattributed";
            node: string;
            cluster: string;
            /** @enum {string} */
            severity: "warning" | "critical";
            /**
             * @description pending: true, but not yet for as long as its rule asks. resolved: no longer true; shown for an hour
             * @enum {string}
             */
            state: "pending" | "firing" | "resolved";
            /** @description The condition holds since */
            since: number;
            /** @description null unless firing or resolved */
            firedAt: number | null;
            resolvedAt: number | null;
            reason: string;
            acknowledged: {
                by: string;
                at: number;
                comment: string;
            } | null;
            /** @description The silence that matches and ends last */
            silenced: {
                id: string;
                until: number;
                by: string;
                comment: string;
            } | null;
        };
        AlertsResponse: {
            alerts: components["schemas"]["Alert"][];
            /** @description Kinds that cannot be judged right now because the profile store does not answer; their alerts stand as they were */
            unknown: ("silent" | "two-epochs" | "crash-loop" | "fallback" | "rung" | "kubelet-mismatch" | "loss" | "unattributed")[];
        };
        AlertHistoryResponse: {
            /** @description Newest first */
            history: {
                time: number;
                alert: string;
                kind: string;
                node: string;
                cluster: string;
                what: string;
                detail: string;
            }[];
        };
        AcknowledgeRequest: {
            /** @description Who, as they say */
            by?: string;
            /** @description Why */
            comment?: string;
        };
        /** @description An empty or missing matcher matches everything */
        SilenceRequest: {
            /** @enum {string} */
            kind?: "" | "silent" | "two-epochs" | "crash-loop" | "fallback" | "rung" | "kubelet-mismatch" | "loss" | "unattributed";
            /** @description `*` stands for any run of characters */
            node?: string;
            cluster?: string;
            /** @description From now; at most 30 days */
            minutes: number;
            /** @description Who, as they say */
            by?: string;
            /** @description Why */
            comment?: string;
        };
        SilenceSummary: {
            id: string;
            kind: string;
            node: string;
            cluster: string;
            createdAt: number;
            until: number;
            by: string;
            comment: string;
        };
        SilencesResponse: {
            silences: components["schemas"]["SilenceSummary"][];
        };
        /** @description docs/configuration.md; errors name the field */
        FleetConfig: FleetDocument;
        /** @description Settings in force on one node: every field of `defaults` is stated */
        NodeSettings: object;
        ConfigResponse: {
            /** @description 0 = nothing was ever configured */
            version: number;
            /** @description 0 when there is none */
            changedAt: number;
            by: string;
            comment: string;
            document: components["schemas"]["FleetConfig"];
            /** @description Why what stands in the store is not valid, and therefore used by no node; "" when it is */
            error: string;
            node?: string;
            settings?: components["schemas"]["NodeSettings"];
        };
        /** @description Replaces the document. The version that the change is based on stands in `version`, or as `If-Match: "3"`; `If-Match: *` replaces whatever there is */
        ConfigRequest: {
            document: components["schemas"]["FleetConfig"];
            /** @description Version that the change is based on, 0 = none */
            version?: number;
            /** @description Who, as they say */
            by?: string;
            /** @description Why */
            comment?: string;
        };
        ConfigHistoryResponse: {
            /** @description Newest first */
            changes: {
                version: number;
                changedAt: number;
                by: string;
                comment: string;
                document: unknown;
                /** @description What it changed, one line a field; empty for the oldest that is kept */
                changed: string[];
            }[];
        };
        SqlRequest: {
            /**
             * Format: sql
             * @description One SELECT over the public views
             */
            query: string;
            /** @description Values of {name:Type} in the query */
            params?: {
                [key: string]: string | number | null;
            };
        };
        SqlResponse: {
            columns: {
                name: string;
                type: string;
            }[];
            rows: unknown[][];
            /** @description Milliseconds */
            tookMs: number;
        };
        SignInResponse: {
            provider: {
                issuer: string;
                clientId: string;
                /** @description Separated by spaces */
                scope: string;
                /**
                 * @description Which of the tokens of the provider opens the API
                 * @enum {string}
                 */
                tokenUse: "id" | "access";
                authorizationEndpoint: string;
                tokenEndpoint: string;
                endSessionEndpoint?: string;
                /** @description Algorithms by which its ID tokens are signed */
                signedBy: string[];
                /** @description The provider names itself in its answers (RFC 9207) */
                issInAnswer: boolean;
            } | null;
            /** @description Why there is no provider though one is set, "" */
            error: string;
        };
        /** @description Every error answer */
        ErrorResponse: {
            error: {
                code: string;
                message: string;
                /** @description Into the query, where it is known */
                position?: number;
            };
        };
    };
    responses: {
        /** @description The request is wrong; position points into the query */
        Wrong: {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["ErrorResponse"];
            };
        };
        /** @description A token is needed, or it is not valid (any more) */
        Unauthenticated: {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["ErrorResponse"];
            };
        };
        /** @description The token has not the scope, its labels cannot be kept here, or this server does not answer to such a Host or Origin */
        Forbidden: {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["ErrorResponse"];
            };
        };
        /** @description Address and headers are larger than 16 KiB */
        HeadersTooLarge: {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["ErrorResponse"];
            };
        };
        /** @description The body is larger than 1 MiB */
        TooLarge: {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["ErrorResponse"];
            };
        };
        /** @description The body is not application/json */
        NotJson: {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["ErrorResponse"];
            };
        };
        /** @description The caller sends too many requests */
        TooMany: {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["ErrorResponse"];
            };
        };
        /** @description The profile store or the node state store does not answer */
        Away: {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["ErrorResponse"];
            };
        };
    };
    parameters: never;
    requestBodies: never;
    headers: never;
    pathItems: never;
}
export type $defs = Record<string, never>;
export interface operations {
    labels: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Names of labels */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["LabelsResponse"];
                };
            };
            400: components["responses"]["Wrong"];
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            429: components["responses"]["TooMany"];
            431: components["responses"]["HeadersTooLarge"];
            503: components["responses"]["Away"];
        };
    };
    labelValues: {
        parameters: {
            query?: {
                /** @description Selector, e.g. cpu{service="checkout", namespace=~"shop.*"}; empty = everything */
                query?: string;
                /** @description Unix seconds or milliseconds, RFC 3339, now, or now-15m; default one hour before until */
                from?: string;
                /** @description As from; default now */
                until?: string;
                /** @description Most entries of the answer (1000) */
                limit?: number;
            };
            header?: never;
            path: {
                name: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Values of a label with what each used, largest first */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["LabelValuesResponse"];
                };
            };
            400: components["responses"]["Wrong"];
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            /** @description No series has the label */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorResponse"];
                };
            };
            429: components["responses"]["TooMany"];
            431: components["responses"]["HeadersTooLarge"];
            503: components["responses"]["Away"];
        };
    };
    profileTypes: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Profile types and their units */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ProfileTypesResponse"];
                };
            };
            400: components["responses"]["Wrong"];
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            429: components["responses"]["TooMany"];
            431: components["responses"]["HeadersTooLarge"];
            503: components["responses"]["Away"];
        };
    };
    flamegraph: {
        parameters: {
            query?: {
                /** @description Selector, e.g. cpu{service="checkout", namespace=~"shop.*"}; empty = everything */
                query?: string;
                /** @description Unix seconds or milliseconds, RFC 3339, now, or now-15m; default one hour before until */
                from?: string;
                /** @description As from; default now */
                until?: string;
                /** @description Most nodes of the answer (100000); the lightest are folded into (other), totals stay exact */
                maxNodes?: number;
                /** @description Only stacks with a function of this name; * stands for any run of characters, ? for one */
                focus?: string;
                /** @description No stacks with a function of this name */
                ignore?: string;
                /** @description Leaves first: below a function are its callers */
                invert?: boolean;
                /** @description What makes frames one (function) */
                merge?: "function" | "file" | "line" | "module";
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Flame graph as columns, depth first; the first level is the process */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["FlameGraphResponse"];
                };
            };
            400: components["responses"]["Wrong"];
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            429: components["responses"]["TooMany"];
            431: components["responses"]["HeadersTooLarge"];
            503: components["responses"]["Away"];
        };
    };
    top: {
        parameters: {
            query?: {
                /** @description Selector, e.g. cpu{service="checkout", namespace=~"shop.*"}; empty = everything */
                query?: string;
                /** @description Unix seconds or milliseconds, RFC 3339, now, or now-15m; default one hour before until */
                from?: string;
                /** @description As from; default now */
                until?: string;
                /** @description Most entries of the answer (100) */
                limit?: number;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Functions by self value */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["TopResponse"];
                };
            };
            400: components["responses"]["Wrong"];
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            429: components["responses"]["TooMany"];
            431: components["responses"]["HeadersTooLarge"];
            503: components["responses"]["Away"];
        };
    };
    unresolvedBinaries: {
        parameters: {
            query?: {
                /** @description Selector, e.g. cpu{service="checkout", namespace=~"shop.*"}; empty = everything */
                query?: string;
                /** @description Unix seconds or milliseconds, RFC 3339, now, or now-15m; default one hour before until */
                from?: string;
                /** @description As from; default now */
                until?: string;
                /** @description Most entries of the answer (100) */
                limit?: number;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Binaries whose frames lack names, most samples first */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["UnresolvedBinariesResponse"];
                };
            };
            400: components["responses"]["Wrong"];
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            429: components["responses"]["TooMany"];
            431: components["responses"]["HeadersTooLarge"];
            503: components["responses"]["Away"];
        };
    };
    series: {
        parameters: {
            query?: {
                /** @description Selector, e.g. cpu{service="checkout", namespace=~"shop.*"}; empty = everything */
                query?: string;
                /** @description Unix seconds or milliseconds, RFC 3339, now, or now-15m; default one hour before until */
                from?: string;
                /** @description As from; default now */
                until?: string;
                /** @description Seconds per point */
                step?: number;
                /** @description Label whose values have a line each; function: the functions with the largest self values */
                by?: string;
                /** @description Name of one function, in the place of by: its total and its self value have a line each */
                function?: string;
                /** @description Most entries of the answer (20) */
                limit?: number;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Value per step */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["SeriesResponse"];
                };
            };
            400: components["responses"]["Wrong"];
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            429: components["responses"]["TooMany"];
            431: components["responses"]["HeadersTooLarge"];
            503: components["responses"]["Away"];
        };
    };
    diff: {
        parameters: {
            query?: {
                /** @description Selector, e.g. cpu{service="checkout", namespace=~"shop.*"}; empty = everything */
                query?: string;
                /** @description Unix seconds or milliseconds, RFC 3339, now, or now-15m; default one hour before until */
                from?: string;
                /** @description As from; default now */
                until?: string;
                /** @description Selector of the base; default query */
                baseQuery?: string;
                /** @description Default from */
                baseFrom?: string;
                /** @description Default until */
                baseUntil?: string;
                /** @description Change of the share of each total (default), for sides of different length; or of the value */
                by?: "share" | "value";
                /** @description Most entries of the answer (100) */
                limit?: number;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Functions of two selections, largest change first */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["DiffResponse"];
                };
            };
            400: components["responses"]["Wrong"];
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            429: components["responses"]["TooMany"];
            431: components["responses"]["HeadersTooLarge"];
            503: components["responses"]["Away"];
        };
    };
    heatmap: {
        parameters: {
            query?: {
                /** @description Selector, e.g. cpu{service="checkout", namespace=~"shop.*"}; empty = everything */
                query?: string;
                /** @description Unix seconds or milliseconds, RFC 3339, now, or now-15m; default one hour before until */
                from?: string;
                /** @description As from; default now */
                until?: string;
                /** @description Seconds per column */
                step?: number;
                /** @description Rows of equal width from 0 to the largest rate (20) */
                buckets?: number;
                /** @description Label whose values are counted; default each series */
                by?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description How the value spreads over series or values of a label, per step */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["HeatmapResponse"];
                };
            };
            400: components["responses"]["Wrong"];
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            429: components["responses"]["TooMany"];
            431: components["responses"]["HeadersTooLarge"];
            503: components["responses"]["Away"];
        };
    };
    compare: {
        parameters: {
            query?: {
                /** @description Selector, e.g. cpu{service="checkout", namespace=~"shop.*"}; empty = everything */
                query?: string;
                /** @description Unix seconds or milliseconds, RFC 3339, now, or now-15m; default one hour before until */
                from?: string;
                /** @description As from; default now */
                until?: string;
                /** @description Label that tells the versions apart; with base and with */
                label?: string;
                /** @description Its value for the base */
                base?: string;
                /** @description Its value for what is compared */
                with?: string;
                /** @description Selector of the base; default query */
                baseQuery?: string;
                /** @description Default from */
                baseFrom?: string;
                /** @description Default until */
                baseUntil?: string;
                /** @description What the base is scaled to: the same CPU time (default), time, or pods and time */
                per?: "cpu" | "time" | "pod";
                /** @description Most functions of each list (20) */
                limit?: number;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Two versions of a service: functions that gained or lost, with exact totals */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["CompareResponse"];
                };
            };
            400: components["responses"]["Wrong"];
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            429: components["responses"]["TooMany"];
            431: components["responses"]["HeadersTooLarge"];
            503: components["responses"]["Away"];
        };
    };
    export: {
        parameters: {
            query?: {
                /** @description Selector, e.g. cpu{service="checkout", namespace=~"shop.*"}; empty = everything */
                query?: string;
                /** @description Unix seconds or milliseconds, RFC 3339, now, or now-15m; default one hour before until */
                from?: string;
                /** @description As from; default now */
                until?: string;
                /** @description File format (pprof) */
                format?: "pprof" | "folded" | "speedscope" | "firefox";
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The selection as a file */
            200: {
                headers: {
                    /** @description With the name of the file */
                    "content-disposition"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/gzip": string;
                    "text/plain": string;
                    "application/json": Record<string, never>;
                };
            };
            400: components["responses"]["Wrong"];
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            429: components["responses"]["TooMany"];
            431: components["responses"]["HeadersTooLarge"];
            503: components["responses"]["Away"];
        };
    };
    sql: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["SqlRequest"];
            };
        };
        responses: {
            /** @description One read-only SELECT over the public views profiles, functions, spans, nodes, node_events, alert_history, deliveries, coverage, coverage_windows, unresolved_binaries */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["SqlResponse"];
                };
            };
            400: components["responses"]["Wrong"];
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            413: components["responses"]["TooLarge"];
            415: components["responses"]["NotJson"];
            429: components["responses"]["TooMany"];
            431: components["responses"]["HeadersTooLarge"];
            503: components["responses"]["Away"];
        };
    };
    nodes: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Every node of the registry and its last word */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["NodesResponse"];
                };
            };
            400: components["responses"]["Wrong"];
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            429: components["responses"]["TooMany"];
            431: components["responses"]["HeadersTooLarge"];
            503: components["responses"]["Away"];
        };
    };
    node: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description One node */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["NodeSummary"];
                };
            };
            400: components["responses"]["Wrong"];
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            /** @description No node is called so */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorResponse"];
                };
            };
            429: components["responses"]["TooMany"];
            431: components["responses"]["HeadersTooLarge"];
            503: components["responses"]["Away"];
        };
    };
    removeNode: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Takes a node that is gone out of the registry */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["NodeSummary"];
                };
            };
            400: components["responses"]["Wrong"];
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            /** @description No node is called so */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorResponse"];
                };
            };
            429: components["responses"]["TooMany"];
            431: components["responses"]["HeadersTooLarge"];
            503: components["responses"]["Away"];
        };
    };
    nodeTimeline: {
        parameters: {
            query?: {
                /** @description Unix seconds or milliseconds, RFC 3339, now, or now-15m; default one hour before until */
                from?: string;
                /** @description As from; default now */
                until?: string;
            };
            header?: never;
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description What happened to one node, and the coverage of its samples */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["NodeTimelineResponse"];
                };
            };
            400: components["responses"]["Wrong"];
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            /** @description No node is called so */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorResponse"];
                };
            };
            429: components["responses"]["TooMany"];
            431: components["responses"]["HeadersTooLarge"];
            503: components["responses"]["Away"];
        };
    };
    fleet: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Every node as columns, for a view of thousands */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["FleetColumns"];
                };
            };
            400: components["responses"]["Wrong"];
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            429: components["responses"]["TooMany"];
            431: components["responses"]["HeadersTooLarge"];
            503: components["responses"]["Away"];
        };
    };
    causes: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description What is wrong with nodes, grouped by cause, the most frequent first */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["CausesResponse"];
                };
            };
            400: components["responses"]["Wrong"];
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            429: components["responses"]["TooMany"];
            431: components["responses"]["HeadersTooLarge"];
            503: components["responses"]["Away"];
        };
    };
    config: {
        parameters: {
            query?: {
                /** @description Name of a node: what the document means for it */
                node?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The fleet's configuration; its version is also the ETag */
            200: {
                headers: {
                    /** @description The version */
                    etag?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ConfigResponse"];
                };
            };
            400: components["responses"]["Wrong"];
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            429: components["responses"]["TooMany"];
            431: components["responses"]["HeadersTooLarge"];
            503: components["responses"]["Away"];
        };
    };
    putConfig: {
        parameters: {
            query?: never;
            header?: {
                /** @description Version that the change is based on, e.g. "3"; * replaces any. Else version in the body */
                "If-Match"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["ConfigRequest"];
            };
        };
        responses: {
            /** @description Replaces the configuration */
            200: {
                headers: {
                    /** @description The version */
                    etag?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ConfigResponse"];
                };
            };
            400: components["responses"]["Wrong"];
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            /** @description Somebody else changed it since the version in the body */
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorResponse"];
                };
            };
            /** @description Somebody else changed it since the version in If-Match */
            412: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorResponse"];
                };
            };
            413: components["responses"]["TooLarge"];
            415: components["responses"]["NotJson"];
            /** @description Neither If-Match nor version says what the change is based on */
            428: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorResponse"];
                };
            };
            429: components["responses"]["TooMany"];
            431: components["responses"]["HeadersTooLarge"];
            503: components["responses"]["Away"];
        };
    };
    configHistory: {
        parameters: {
            query?: {
                /** @description Most entries of the answer (20) */
                limit?: number;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Changes of the configuration, newest first */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ConfigHistoryResponse"];
                };
            };
            400: components["responses"]["Wrong"];
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            429: components["responses"]["TooMany"];
            431: components["responses"]["HeadersTooLarge"];
            503: components["responses"]["Away"];
        };
    };
    alerts: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Alerts about nodes: pending, firing and lately resolved */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["AlertsResponse"];
                };
            };
            400: components["responses"]["Wrong"];
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            429: components["responses"]["TooMany"];
            431: components["responses"]["HeadersTooLarge"];
            503: components["responses"]["Away"];
        };
    };
    alertHistory: {
        parameters: {
            query?: {
                /** @description Most entries of the answer (200) */
                limit?: number;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description What became of alerts, newest first */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["AlertHistoryResponse"];
                };
            };
            400: components["responses"]["Wrong"];
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            429: components["responses"]["TooMany"];
            431: components["responses"]["HeadersTooLarge"];
            503: components["responses"]["Away"];
        };
    };
    acknowledge: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["AcknowledgeRequest"];
            };
        };
        responses: {
            /** @description Somebody looks after this occurrence: it is not repeated */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Alert"];
                };
            };
            400: components["responses"]["Wrong"];
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            /** @description There is no such alert */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorResponse"];
                };
            };
            413: components["responses"]["TooLarge"];
            415: components["responses"]["NotJson"];
            429: components["responses"]["TooMany"];
            431: components["responses"]["HeadersTooLarge"];
            503: components["responses"]["Away"];
        };
    };
    unacknowledge: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Nobody does after all */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Alert"];
                };
            };
            400: components["responses"]["Wrong"];
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            /** @description There is no such alert */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorResponse"];
                };
            };
            429: components["responses"]["TooMany"];
            431: components["responses"]["HeadersTooLarge"];
            503: components["responses"]["Away"];
        };
    };
    silences: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Silences in force */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["SilencesResponse"];
                };
            };
            400: components["responses"]["Wrong"];
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            429: components["responses"]["TooMany"];
            431: components["responses"]["HeadersTooLarge"];
            503: components["responses"]["Away"];
        };
    };
    silence: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["SilenceRequest"];
            };
        };
        responses: {
            /** @description Alerts that match are shown and not delivered */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["SilenceSummary"];
                };
            };
            400: components["responses"]["Wrong"];
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            413: components["responses"]["TooLarge"];
            415: components["responses"]["NotJson"];
            429: components["responses"]["TooMany"];
            431: components["responses"]["HeadersTooLarge"];
            503: components["responses"]["Away"];
        };
    };
    unsilence: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The silences that remain */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["SilencesResponse"];
                };
            };
            400: components["responses"]["Wrong"];
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            /** @description There is no such silence; it may have ended */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorResponse"];
                };
            };
            429: components["responses"]["TooMany"];
            431: components["responses"]["HeadersTooLarge"];
            503: components["responses"]["Away"];
        };
    };
    signIn: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description How a person can sign in besides with a token */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["SignInResponse"];
                };
            };
            400: components["responses"]["Wrong"];
            403: components["responses"]["Forbidden"];
            431: components["responses"]["HeadersTooLarge"];
        };
    };
    openApi: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description This document */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": Record<string, never>;
                };
            };
            400: components["responses"]["Wrong"];
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            429: components["responses"]["TooMany"];
            431: components["responses"]["HeadersTooLarge"];
            503: components["responses"]["Away"];
        };
    };
    live: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The process answers */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        [key: string]: string;
                    };
                };
            };
            400: components["responses"]["Wrong"];
            403: components["responses"]["Forbidden"];
            431: components["responses"]["HeadersTooLarge"];
        };
    };
    ready: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Both stores answer */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        [key: string]: string;
                    };
                };
            };
            400: components["responses"]["Wrong"];
            403: components["responses"]["Forbidden"];
            431: components["responses"]["HeadersTooLarge"];
            /** @description One of them does not */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        [key: string]: string;
                    };
                };
            };
        };
    };
    metrics: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description What the server tells Prometheus */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "text/plain": unknown;
                };
            };
            400: components["responses"]["Wrong"];
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            429: components["responses"]["TooMany"];
            431: components["responses"]["HeadersTooLarge"];
            503: components["responses"]["Away"];
        };
    };
}
export type FlameGraphColumns = Immutable<components['schemas']['FlameGraphColumns']>;
export type FlameGraphResponse = Immutable<components['schemas']['FlameGraphResponse']>;
export type TopResponse = Immutable<components['schemas']['TopResponse']>;
export type UnresolvedBinariesResponse = Immutable<components['schemas']['UnresolvedBinariesResponse']>;
export type SeriesResponse = Immutable<components['schemas']['SeriesResponse']>;
export type LabelsResponse = Immutable<components['schemas']['LabelsResponse']>;
export type LabelValuesResponse = Immutable<components['schemas']['LabelValuesResponse']>;
export type ProfileTypesResponse = Immutable<components['schemas']['ProfileTypesResponse']>;
export type DiffResponse = Immutable<components['schemas']['DiffResponse']>;
export type HeatmapResponse = Immutable<components['schemas']['HeatmapResponse']>;
export type CompareSide = Immutable<components['schemas']['CompareSide']>;
export type CompareFunction = Immutable<components['schemas']['CompareFunction']>;
export type CompareResponse = Immutable<components['schemas']['CompareResponse']>;
export type FleetColumns = Immutable<components['schemas']['FleetColumns']>;
export type Cause = Immutable<components['schemas']['Cause']>;
export type CausesResponse = Immutable<components['schemas']['CausesResponse']>;
export type NodeSummary = Immutable<components['schemas']['NodeSummary']>;
export type NodesResponse = Immutable<components['schemas']['NodesResponse']>;
export type TimelineState = Immutable<components['schemas']['TimelineState']>;
export type NodeTimelineResponse = Immutable<components['schemas']['NodeTimelineResponse']>;
export type Alert = Immutable<components['schemas']['Alert']>;
export type AlertsResponse = Immutable<components['schemas']['AlertsResponse']>;
export type AlertHistoryResponse = Immutable<components['schemas']['AlertHistoryResponse']>;
export type AcknowledgeRequest = Immutable<components['schemas']['AcknowledgeRequest']>;
export type SilenceRequest = Immutable<components['schemas']['SilenceRequest']>;
export type SilenceSummary = Immutable<components['schemas']['SilenceSummary']>;
export type SilencesResponse = Immutable<components['schemas']['SilencesResponse']>;
export type ConfigResponse = Immutable<components['schemas']['ConfigResponse']>;
export type ConfigRequest = Immutable<components['schemas']['ConfigRequest']>;
export type ConfigHistoryResponse = Immutable<components['schemas']['ConfigHistoryResponse']>;
export type SqlRequest = Immutable<components['schemas']['SqlRequest']>;
export type SqlResponse = Immutable<components['schemas']['SqlResponse']>;
export type SignInResponse = Immutable<components['schemas']['SignInResponse']>;
export type ErrorResponse = Immutable<components['schemas']['ErrorResponse']>;
