// Generated from api/openapi.json by `npm run types`. Do not edit.
export interface paths {
    "/api/v1/openapi.json": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** This interface, described for programs */
        get: operations["getOpenApi"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/overview": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** How many people are where, now */
        get: operations["getOverview"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/pipeline": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** How far the folds have come */
        get: operations["getPipeline"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/sensors": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** The sensors */
        get: operations["listSensors"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/sensors/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** One sensor */
        get: operations["getSensor"];
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
        /** Any metric over any range, window and step */
        get: operations["getSeries"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/site": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** What this deployment is */
        get: operations["getSite"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/stream": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * The websocket, subprotocol `footfall.v1`
         * @description JSON text. The server begins with `welcome`; then clients send `ClientMessage` and the server sends `ServerMessage`.
         */
        get: operations["openStream"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/traveler-types": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** The traveler types that were seen in the last seven days */
        get: operations["listTravelerTypes"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/visits": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** The visits that began in a range of time */
        get: operations["listVisits"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/zones": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** The zones */
        get: operations["listZones"];
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
        /** @description Something for each of some metrics, by the metric's name. */
        ByMetric_Cell: {
            entries?: components["schemas"]["Number"] | null;
            exits?: components["schemas"]["Number"] | null;
            present?: components["schemas"]["Number"] | null;
            speed_avg?: components["schemas"]["Number"] | null;
            speed_max?: components["schemas"]["Number"] | null;
            speed_min?: components["schemas"]["Number"] | null;
            speed_p50?: components["schemas"]["Number"] | null;
            speed_p95?: components["schemas"]["Number"] | null;
        };
        /** @description Something for each of some metrics, by the metric's name. */
        ByMetric_Column: {
            /** @description The values of a metric, by point. */
            entries?: components["schemas"]["Cell"][];
            /** @description The values of a metric, by point. */
            exits?: components["schemas"]["Cell"][];
            /** @description The values of a metric, by point. */
            present?: components["schemas"]["Cell"][];
            /** @description The values of a metric, by point. */
            speed_avg?: components["schemas"]["Cell"][];
            /** @description The values of a metric, by point. */
            speed_max?: components["schemas"]["Cell"][];
            /** @description The values of a metric, by point. */
            speed_min?: components["schemas"]["Cell"][];
            /** @description The values of a metric, by point. */
            speed_p50?: components["schemas"]["Cell"][];
            /** @description The values of a metric, by point. */
            speed_p95?: components["schemas"]["Cell"][];
        };
        /** @description Something for each of some metrics, by the metric's name. */
        ByMetric_MetricValues: {
            /** @description A column. */
            entries?: {
                /** @description The unit. */
                unit: components["schemas"]["Unit"];
                /** @description The value of each point, null where there is none. */
                v: components["schemas"]["Column"];
            };
            /** @description A column. */
            exits?: {
                /** @description The unit. */
                unit: components["schemas"]["Unit"];
                /** @description The value of each point, null where there is none. */
                v: components["schemas"]["Column"];
            };
            /** @description A column. */
            present?: {
                /** @description The unit. */
                unit: components["schemas"]["Unit"];
                /** @description The value of each point, null where there is none. */
                v: components["schemas"]["Column"];
            };
            /** @description A column. */
            speed_avg?: {
                /** @description The unit. */
                unit: components["schemas"]["Unit"];
                /** @description The value of each point, null where there is none. */
                v: components["schemas"]["Column"];
            };
            /** @description A column. */
            speed_max?: {
                /** @description The unit. */
                unit: components["schemas"]["Unit"];
                /** @description The value of each point, null where there is none. */
                v: components["schemas"]["Column"];
            };
            /** @description A column. */
            speed_min?: {
                /** @description The unit. */
                unit: components["schemas"]["Unit"];
                /** @description The value of each point, null where there is none. */
                v: components["schemas"]["Column"];
            };
            /** @description A column. */
            speed_p50?: {
                /** @description The unit. */
                unit: components["schemas"]["Unit"];
                /** @description The value of each point, null where there is none. */
                v: components["schemas"]["Column"];
            };
            /** @description A column. */
            speed_p95?: {
                /** @description The unit. */
                unit: components["schemas"]["Unit"];
                /** @description The value of each point, null where there is none. */
                v: components["schemas"]["Column"];
            };
        };
        /** @description What one gateway process says about itself in every partition of a topic: a number that counts up without a gap. */
        Canary: {
            /**
             * Format: int64
             * @description How long ago that was written; while the gateway lives, at most the tick interval and the lag.
             * @example 4200
             */
            age_ms: number;
            /**
             * Format: int64
             * @description Numbers that are missing: records that Kafka had confirmed and that are lost.
             * @example 0
             */
            gaps: number;
            /**
             * @description The gateway's process, as its log names it.
             * @example 0199aa6f3c2e7c3b8a5d4e2f1a0b9c8d
             */
            gateway: string;
            /**
             * Format: int64
             * @description The newest number that has arrived in all of them.
             * @example 118
             */
            last_sequence: number;
            /**
             * Format: int64
             * @description In how many partitions it was seen.
             * @example 6
             */
            partitions: number;
            /**
             * Format: int64
             * @description Numbers that came again, as they do after a fault.
             * @example 0
             */
            repeats: number;
            /**
             * @description The topic.
             * @example sensor-movements
             */
            topic: string;
        };
        Cell: components["schemas"]["Number"] | null;
        /** @description What a client says. */
        ClientMessage: {
            /**
             * Format: int64
             * @description A number that the client has not used on this socket for a subscription that is still open.
             */
            id: number;
            /** @description The same names and texts as the query of the REST resource. */
            params?: {
                [key: string]: string;
            };
            /**
             * Format: double
             * @description Frames a second at most, 0 to 20; 0 pauses.
             */
            rate_hz?: number;
            since?: components["schemas"]["Since"] | null;
            /** @enum {string} */
            t: "sub";
            /** @description What to follow. */
            topic: components["schemas"]["Topic"];
        } | {
            /**
             * Format: int64
             * @description Which subscription.
             */
            id: number;
            /** @enum {string} */
            t: "unsub";
        } | {
            /**
             * Format: double
             * @description Frames a second at most, 0 to 20.
             */
            hz: number;
            /**
             * Format: int64
             * @description Which subscription.
             */
            id: number;
            /** @enum {string} */
            t: "rate";
        } | {
            /**
             * Format: int64
             * @description Given back.
             */
            id: number;
            /** @enum {string} */
            t: "ping";
        };
        /** @description The values of a metric, by point. */
        Column: components["schemas"]["Cell"][];
        /**
         * @description What an answer depends on.
         * @enum {string}
         */
        Component: "postgres" | "redis";
        /** @description What became of the records of a partition. */
        Counts: {
            /**
             * Format: int64
             * @description They changed the state.
             * @example 9800
             */
            applied: number;
            /**
             * Format: int64
             * @description The offset of the first record that is counted.
             * @example 0
             */
            began_offset: number;
            /**
             * Format: int64
             * @description Put into quarantine.
             * @example 2
             */
            dead_letter: number;
            /**
             * Format: int64
             * @description They had been there before.
             * @example 310
             */
            duplicate: number;
            /**
             * Format: int64
             * @description Of a kind that the fold does not count.
             * @example 0
             */
            ignored: number;
            /**
             * Format: int64
             * @description They came after their sensor's watermark.
             * @example 1
             */
            late: number;
            /**
             * Format: int64
             * @description The gateways' ticks, which no device sent.
             * @example 118
             */
            marker: number;
            /**
             * Format: int64
             * @description Left out by a person after they were lost.
             * @example 0
             */
            skipped: number;
        };
        /** @description A change of a subscription's state. */
        DeltaBody: components["schemas"]["SeriesDelta"] | Record<string, never>;
        /**
         * @description What stands where nothing was counted.
         * @enum {string}
         */
        Fill: "auto" | "zero" | "none";
        /**
         * @description How windows follow each other. `rolling`: point i covers `[t - window, t)` with `t = start + (i+1)·step`. `bucket`: it
         *     covers `[start + i·step, start + (i+1)·step)`.
         * @enum {string}
         */
        Mode: "rolling" | "bucket";
        /** @description A value: counts are written as whole numbers. */
        Number: number;
        /** @description A zone and its place among the zones. */
        OrderedZone: components["schemas"]["OverviewZone"] & {
            /** @description Its place, from 0. */
            order: number;
        };
        /** @description People on the site, now. */
        Overview: components["schemas"]["Totals"] & {
            /**
             * @description Sensors that do not speak now: those that fell silent, and registered ones that never spoke. One that nobody
             *     registered is forgotten after an hour.
             */
            silent_sensors: components["schemas"]["SilentSensor"][];
            /** @description Where a subscription to the same question goes on. */
            stream: components["schemas"]["StreamCursor"];
            /** @description The zones, in the site's order. */
            zones: components["schemas"]["OverviewZone"][];
        };
        /** @description The overview as a state that merge patches change: zones and sensors by their id. */
        OverviewState: components["schemas"]["Totals"] & {
            /** @description The silent sensors by id. */
            silent_sensors: {
                [key: string]: components["schemas"]["SilentSensor"];
            };
            /** @description The zones by id. */
            zones: {
                [key: string]: components["schemas"]["OrderedZone"];
            };
        };
        /** @description People in a zone, now. */
        OverviewZone: {
            /**
             * Format: int32
             * @description How many may be there; null where nobody said.
             * @example 450
             */
            capacity: number | null;
            /**
             * @description Its id; `unassigned` for the sensors that are in no zone.
             * @example lib
             */
            id: string;
            /**
             * Format: int64
             * @description People who are there: visits that go on at the sensors that speak. When the state is `no_data`, those that went on
             *     when its sensors spoke last.
             * @example 388
             */
            n: number;
            /**
             * @description Its name.
             * @example Library
             */
            name: string;
            seen: components["schemas"]["Stamp"] | null;
            /**
             * @description Its sensors.
             * @example [
             *       "lib-1"
             *     ]
             */
            sensors: string[];
            /**
             * Format: double
             * @description `n` over `capacity`.
             * @example 0.862
             */
            share: number | null;
            /**
             * Format: int64
             * @description For how many seconds all of its sensors have been silent; null while one speaks, or when none ever did.
             */
            silent_s: number | null;
            /** @description How full it is, in a word. */
            state: components["schemas"]["ZoneState"];
        };
        /** @description A parameter that was wrong, and what would do. */
        ParameterError: {
            /**
             * @description A stable word for what is wrong with it.
             * @example range_order
             */
            code: string;
            /**
             * @description The value that was given and what was expected.
             * @example 2026-11-24T09:00:00Z is not after start, 2026-11-24T10:00:00Z
             */
            detail: string;
            /**
             * @description Its name.
             * @example end
             */
            parameter: string;
        };
        /** @description A partition of a topic. */
        Partition: {
            /** @description What became of the records before `next_offset`. */
            counts: components["schemas"]["Counts"];
            /**
             * Format: int64
             * @description How often the partition was taken over.
             * @example 7
             */
            epoch: number;
            /**
             * @description The fold that reads it.
             * @example movement
             */
            fold: string;
            /**
             * Format: int32
             * @description The version of that fold which made the state.
             * @example 1
             */
            fold_version: number;
            /**
             * Format: int64
             * @description Records between `next_offset` and the end of the log; null while that is unknown, so also once `reported` is more than
             *     10 s ago.
             * @example 16
             */
            lag: number | null;
            /**
             * Format: int64
             * @description The offset after the last record that the live view contains; null while it is not there.
             * @example 10247
             */
            live_offset: number | null;
            /**
             * Format: int64
             * @description Where the log ended when the partition's owner told last, every two seconds; null before the first time.
             * @example 10247
             */
            log_end_offset: number | null;
            /**
             * Format: int64
             * @description The offset after the last record whose effects are in Postgres.
             * @example 10231
             */
            next_offset: number;
            /**
             * Format: int32
             * @description Its number.
             * @example 3
             */
            partition: number;
            reported: components["schemas"]["Stamp"] | null;
            stopped: components["schemas"]["Stopped"] | null;
            /**
             * @description The topic.
             * @example sensor-movements
             */
            topic: string;
            /**
             * Format: int64
             * @description Records before `next_offset` of which nobody knows what became: always 0. Null while the partition's owner is of a
             *     version that does not count, and once `reported` is more than 10 s ago.
             * @example 0
             */
            unaccounted: number | null;
            watermark: components["schemas"]["Stamp"] | null;
        };
        /** @description How far the folds have come. */
        Pipeline: {
            /** @description The canaries of the gateways: those of the last hour, and those of which something is missing. */
            canaries: components["schemas"]["Canary"][];
            /**
             * Format: int64
             * @description Refused messages and records that nobody has replayed; counted up to 10 000.
             * @example 3
             */
            dead_letters: number;
            /** @description Whether there are more than that. */
            dead_letters_more: boolean;
            /**
             * Format: int64
             * @description See the overview.
             * @example 1830
             */
            lag_ms: number | null;
            /** @description The partitions, by topic and number. */
            partitions: components["schemas"]["Partition"][];
            /** @description Whether the live view is away. */
            stale: boolean;
            /**
             * @description The version of this server.
             * @example 0.1.0
             */
            version: string;
        };
        /** @description What is different at one point. */
        PointPatch: components["schemas"]["ByMetric_Cell"] & {
            /**
             * Format: double
             * @description Its coverage, when that is different.
             */
            coverage?: number | null;
            state?: components["schemas"]["PointState"] | null;
        };
        /**
         * @description How settled a point is.
         *
         *     `live`: its window is not over, or not long enough ago for its visits to have ended, so its
         *     exits are null. `provisional`: it has settled; late events may still change it. `final`: what came in time is in it; only
         *     an event that comes very late, within 48 h, changes it. `revised`: it was final, and such an event has changed it.
         * @enum {string}
         */
        PointState: "live" | "provisional" | "final" | "revised";
        /** @description A problem document (RFC 9457). */
        Problem: {
            component?: components["schemas"]["Component"] | null;
            /**
             * @description What went wrong this time.
             * @example end: must be after start
             */
            detail?: string | null;
            /** @description The parameters that were wrong. */
            errors?: components["schemas"]["ParameterError"][];
            /**
             * @description The path that was asked.
             * @example /api/v1/series
             */
            instance?: string | null;
            /**
             * @description The request's id, as in `X-Request-Id`; quote it when you ask for help.
             * @example 0193545a-3f6e-7bd1-b1f2-6f4f2d3f0c11
             */
            request_id?: string | null;
            /**
             * Format: int32
             * @description The HTTP status.
             * @example 400
             */
            status: number;
            /**
             * @description A step that keeps the number of points within the limit (`too-many-points`).
             * @example 5m
             */
            suggested_step?: string | null;
            /**
             * @description The kind of problem in words; the same for every problem of the kind.
             * @example Invalid parameter
             */
            title: string;
            /**
             * @description A URI that names the kind of problem.
             * @example https://footfall.dev/problems/invalid-parameter
             */
            type: string;
        };
        /**
         * @description Why a subscription cannot go on.
         * @enum {string}
         */
        ResyncReason: "expired" | "epoch" | "overflow";
        /** @description A sensor. */
        Sensor: {
            /**
             * @description Its id, as in MQTT topics.
             * @example ent-1
             */
            id: string;
            /**
             * @description `movement` or `rfid`.
             * @example movement
             */
            kind: string;
            last_seen: components["schemas"]["Stamp"] | null;
            /**
             * @description Its name; the id while it is not registered.
             * @example Main entrance, door 1
             */
            name: string;
            /**
             * Format: int64
             * @description People it sees: visits that go on, or that went on when it spoke last.
             * @example 12
             */
            present: number;
            /** @description Whether somebody registered it. One that publishes without loses nothing. */
            registered: boolean;
            /**
             * Format: int64
             * @description How long it may be silent and still count as up: that of `/site`, or twice its usual silence when that is longer.
             * @example 60
             */
            silent_after_s: number;
            /** @description Whether it speaks. */
            state: components["schemas"]["SensorState"];
            watermark: components["schemas"]["Stamp"] | null;
            /**
             * @description The zone it stands in.
             * @example entrance
             */
            zone: string | null;
        };
        /** @description A page of sensors. */
        SensorPage: {
            /** @description The sensors, by id. */
            items: components["schemas"]["Sensor"][];
            /** @description Ask for the next page with it; null on the last. */
            next_cursor: string | null;
        };
        /**
         * @description Whether a sensor speaks.
         * @enum {string}
         */
        SensorState: "online" | "late" | "offline" | "unknown";
        /** @description Series of windows over time. */
        Series: {
            /** @description Whether a metric is an estimate of a count; quantiles are always within 1 %. */
            approx: boolean;
            /** @description Where the range ends (exclusive): what was asked, raised to ten seconds. */
            end: components["schemas"]["Stamp"];
            /** @description What stands where nothing was counted. */
            fill: components["schemas"]["Fill"];
            /**
             * @description Which edge of its window a point is named after.
             * @example end
             */
            label: string;
            /**
             * @description The metrics, in the order that was asked.
             * @example [
             *       "entries",
             *       "speed_avg"
             *     ]
             */
            metrics: string[];
            /** @description How windows follow each other. */
            mode: components["schemas"]["Mode"];
            /** @description The series. */
            series: components["schemas"]["SeriesItem"][];
            /** @description Whether the live part is old because the live view is away. */
            stale: boolean;
            /** @description Where the range begins: what was asked, floored to ten seconds. */
            start: components["schemas"]["Stamp"];
            /**
             * Format: int64
             * @description Distance of two points, in seconds.
             */
            step_s: number;
            /** @description Where a subscription to the same question goes on. */
            stream: components["schemas"]["StreamCursor"];
            /**
             * @description The zone of every instant in this answer.
             * @example Europe/London
             */
            tz: string;
            watermark: components["schemas"]["Stamp"] | null;
            /**
             * Format: int64
             * @description Length of each window, in seconds.
             */
            window_s: number;
        };
        /** @description A change of one series. */
        SeriesDelta: components["schemas"]["ByMetric_Column"] & {
            /** @description Their coverage. */
            coverage: number[];
            end: components["schemas"]["Stamp"] | null;
            /** @description Index of the first point that is appended: the length before. */
            i: number;
            /** @description Index of the series. */
            k: number;
            /** @description Points that changed: index and the members that are different now. */
            replace?: [
                number,
                components["schemas"]["ByMetric_Cell"] & {
                    /**
                     * Format: double
                     * @description Its coverage, when that is different.
                     */
                    coverage?: number | null;
                    state?: components["schemas"]["PointState"] | null;
                }
            ][];
            /** @description See the series. */
            stale: boolean;
            /** @description Their states. */
            state: components["schemas"]["PointState"][];
            watermark: components["schemas"]["Stamp"] | null;
        };
        /** @description One series: a column for each metric that was asked. */
        SeriesItem: components["schemas"]["ByMetric_MetricValues"] & {
            /**
             * @description Share of each window in which the sensors were known to be up, 0 to 1; the mean over the sensors of the series. One
             *     that nobody registered counts for an hour from each of its signs of life on.
             * @example [
             *       1,
             *       1,
             *       0.98
             *     ]
             */
            coverage: number[];
            /** @description Whose. */
            key: components["schemas"]["SeriesKey"];
            /** @description Number of points. */
            n: number;
            /** @description How settled each point is. */
            state: components["schemas"]["PointState"][];
        };
        /** @description Which part of the question a series answers; `all` where it was not split. */
        SeriesKey: {
            /**
             * @description The sensor, or `all` that were asked.
             * @example all
             */
            sensor: string;
            /**
             * @description The traveler type, or `all` that were asked.
             * @example all
             */
            type: string;
        };
        /** @description What the server says. */
        ServerMessage: {
            /**
             * Format: int64
             * @description Seconds between heartbeats. A client takes the socket for dead after 2.5 of them.
             */
            hb_s: number;
            /** @description Open subscriptions at most. */
            max_subs: number;
            /** @description The server's clock. */
            server_time: components["schemas"]["Stamp"];
            /** @description The socket's id, for support. */
            session: string;
            /** @enum {string} */
            t: "welcome";
            /**
             * Format: int32
             * @description Version of the protocol.
             */
            v: number;
        } | {
            /** @description The state. */
            d: components["schemas"]["SnapshotBody"];
            /** @description The data that positions belong to. */
            epoch: string;
            /**
             * Format: int64
             * @description Which subscription.
             */
            id: number;
            /** @enum {string} */
            t: "snapshot";
            /**
             * Format: int64
             * @description The position that is reached.
             */
            to: number;
        } | {
            /** @description The change. */
            d: components["schemas"]["DeltaBody"];
            /**
             * Format: int64
             * @description The position that it applies to.
             */
            from: number;
            /**
             * Format: int64
             * @description Which subscription.
             */
            id: number;
            /** @enum {string} */
            t: "delta";
            /**
             * Format: int64
             * @description The position that is reached.
             */
            to: number;
        } | {
            /**
             * Format: int64
             * @description Which subscription.
             */
            id: number;
            /** @description Why. */
            reason: components["schemas"]["ResyncReason"];
            /** @enum {string} */
            t: "resync";
        } | {
            /**
             * Format: int64
             * @description See the overview.
             */
            lag_ms: number | null;
            /** @description The server's clock. */
            server_time: components["schemas"]["Stamp"];
            /** @enum {string} */
            t: "hb";
            watermark: components["schemas"]["Stamp"] | null;
        } | {
            /**
             * Format: int64
             * @description As it was given.
             */
            id: number;
            /** @enum {string} */
            t: "pong";
        } | {
            /**
             * Format: int64
             * @description Which subscription.
             */
            id: number;
            /** @enum {string} */
            t: "done";
        } | {
            /**
             * Format: int64
             * @description Which subscription; null when it cannot be told.
             */
            id: number | null;
            /** @description What was wrong. */
            problem: components["schemas"]["Problem"];
            /** @enum {string} */
            t: "error";
        };
        /** @description A sensor that does not speak: its last sign of life is older than its `silent_after_s`. */
        SilentSensor: {
            /**
             * @description Its id.
             * @example sh-02
             */
            id: string;
            last_seen: components["schemas"]["Stamp"] | null;
            /**
             * Format: int64
             * @description For how many seconds it has been silent.
             * @example 840
             */
            silent_s: number | null;
            /**
             * @description Its zone.
             * @example sports
             */
            zone: string | null;
        };
        /** @description The position to go on from. */
        Since: {
            /** @description As in the cursor or the snapshot. */
            epoch: string;
            /**
             * Format: int64
             * @description The position that was reached.
             */
            offset: number;
        };
        /** @description A deployment: its name, its zone and the parameters of its rules. */
        Site: {
            /**
             * @description What can be asked.
             * @example [
             *       "movement"
             *     ]
             */
            features: string[];
            /**
             * @description Which kinds of data a consumer folds.
             * @example {
             *       "movement": true
             *     }
             */
            feeds: {
                [key: string]: boolean;
            };
            /**
             * Format: int64
             * @description How often a sensor is expected to give a sign of life, in seconds.
             * @example 30
             */
            heartbeat_s: number;
            /**
             * @description Its id, as in MQTT topics.
             * @example main
             */
            id: string;
            /**
             * Format: int64
             * @description A longer pause starts a new visit, in seconds.
             * @example 30
             */
            idle_gap_s: number;
            /**
             * Format: int64
             * @description How late an event may be and still change a number, in seconds.
             * @example 1200
             */
            lateness_s: number;
            /**
             * @description How numbers and dates are written.
             * @example en-GB
             */
            locale: string;
            /**
             * @description Where devices connect; null where the deployment does not say.
             * @example 127.0.0.1:1883
             */
            mqtt: string | null;
            /**
             * @description The MQTT topic on which devices publish positions.
             * @example footfall/main/{device}/positions
             */
            mqtt_topic: string;
            /**
             * @description Its name.
             * @example Main campus
             */
            name: string;
            /** @description The server's clock. */
            now: components["schemas"]["Stamp"];
            /**
             * Format: int64
             * @description Length of the finest window, in seconds.
             * @example 10
             */
            pane_s: number;
            /**
             * Format: int64
             * @description A sensor that is silent for longer is not covered, unless longer silences are usual for it, in seconds.
             * @example 60
             */
            silent_after_s: number;
            /**
             * @description Its IANA time zone: days begin at its midnight.
             * @example Europe/London
             */
            tz: string;
            /**
             * @description Version of the server.
             * @example 0.1.0
             */
            version: string;
        };
        /** @description The state of a subscription. */
        SnapshotBody: components["schemas"]["Series"] | components["schemas"]["OverviewState"];
        /**
         * Format: date-time
         * @description An instant in a zone, as text.
         * @example 2026-11-24T11:20:14.25+00:00
         */
        Stamp: string;
        /** @description A partition that cannot go on without a person. */
        Stopped: {
            /**
             * @description `log_truncated`, `log_shorter`, `log_changed`, `ledger_moved`, `fold_version`, `state_unreadable`, `another_log` or `two_ledgers`.
             * @example log_truncated
             */
            reason: string;
            /** @description When it was found out. */
            since: components["schemas"]["Stamp"];
            /** @description What happened, and what to do. */
            why: string;
        };
        /** @description Where a subscription to the same question goes on. */
        StreamCursor: {
            /**
             * @description The data that the position belongs to.
             * @example 8f3c5a1e90c1d2e4
             */
            epoch: string;
            /**
             * @description The question, in short; equal for equal questions.
             * @example 7f3a90c1d2e4b586
             */
            filter: string;
            /**
             * Format: int64
             * @description The position.
             * @example 10231
             */
            offset: number;
            /**
             * @description The topic to subscribe to.
             * @example series
             */
            topic: string;
        };
        /**
         * @description What can be followed.
         * @enum {string}
         */
        Topic: "overview" | "series";
        /** @description Sums over the zones, and how far to trust them. */
        Totals: {
            /** @description When this was so. */
            as_of: components["schemas"]["Stamp"];
            /**
             * @description How many zones can be counted.
             * @example 4
             */
            counted_zones: number;
            /**
             * Format: int64
             * @description How far what is shown lags behind what the gateways receive and, every ten seconds, write by themselves, in ms; null
             *     while nothing of it has arrived.
             * @example 1830
             */
            lag_ms: number | null;
            /**
             * Format: int64
             * @description People in the zones that can be counted.
             * @example 837
             */
            on_site: number;
            /**
             * Format: int64
             * @description Alerts that nobody has dealt with.
             * @example 0
             */
            open_alerts: number;
            /** @description Whether this is old because the live view is away. */
            stale: boolean;
            /**
             * Format: int64
             * @description How many people are usual at this time of week; null while that is not known.
             */
            typical: number | null;
            watermark: components["schemas"]["Stamp"] | null;
        };
        /** @description A kind of traveler. */
        TravelerType: {
            /**
             * @description Its id, as devices write it.
             * @example student
             */
            id: string;
            /**
             * @description Its name.
             * @example student
             */
            name: string;
        };
        /** @description A page of traveler types. */
        TravelerTypePage: {
            /** @description The types, by id. */
            items: components["schemas"]["TravelerType"][];
            /** @description Ask for the next page with it; null on the last. */
            next_cursor: string | null;
        };
        /**
         * @description Units of values.
         * @enum {string}
         */
        Unit: "count" | "m/s";
        /** @description A visit: the consecutive samples of a traveler at a sensor without a pause above the idle gap. */
        Visit: {
            /**
             * Format: double
             * @description Length of the way, in metres.
             * @example 12.5
             */
            distance_m: number;
            /** @description The first sample. */
            entered_at: components["schemas"]["Stamp"];
            /** @description The last sample (so far). */
            left_at: components["schemas"]["Stamp"];
            /**
             * Format: int32
             * @description How many samples.
             * @example 17
             */
            samples: number;
            /**
             * @description The sensor.
             * @example ent-1
             */
            sensor: string;
            /**
             * Format: double
             * @description The mean of the speed samples, in m/s.
             * @example 1.31
             */
            speed_avg: number | null;
            /**
             * Format: double
             * @description The greatest speed, in m/s.
             * @example 1.9
             */
            speed_max: number | null;
            /**
             * Format: double
             * @description The least speed, in m/s; null with less than two samples.
             * @example 0.7
             */
            speed_min: number | null;
            /** @description How settled it is. */
            state: components["schemas"]["VisitState"];
            /**
             * @description Who.
             * @example t-4711
             */
            traveler_id: string;
            /**
             * @description What kind of traveler.
             * @example student
             */
            traveler_type: string;
        };
        /** @description A page of visits. */
        VisitPage: {
            /** @description The visits, by entry, sensor, traveler and type. */
            items: components["schemas"]["Visit"][];
            /** @description Ask for the next page with it; null on the last. */
            next_cursor: string | null;
            /** @description Whether visits that go on may be missing because the live view is away. */
            stale: boolean;
        };
        /**
         * @description How settled a visit is.
         * @enum {string}
         */
        VisitState: "live" | "provisional" | "final" | "revised";
        /** @description A place. */
        Zone: {
            /**
             * Format: int32
             * @description How many people may be there; null where nobody said.
             * @example 450
             */
            capacity: number | null;
            /**
             * @description Its id.
             * @example lib
             */
            id: string;
            /**
             * @description Its name.
             * @example Library
             */
            name: string;
            /**
             * @description The sensors that stand there.
             * @example [
             *       "lib-1"
             *     ]
             */
            sensors: string[];
        };
        /** @description A page of zones. */
        ZonePage: {
            /** @description The zones, in the site's order. */
            items: components["schemas"]["Zone"][];
            /** @description Ask for the next page with it; null on the last. */
            next_cursor: string | null;
        };
        /**
         * @description How full a zone is.
         * @enum {string}
         */
        ZoneState: "normal" | "busy" | "over" | "no_data";
    };
    responses: never;
    parameters: never;
    requestBodies: never;
    headers: never;
    pathItems: never;
}
export type $defs = Record<string, never>;
export interface operations {
    getOpenApi: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description An OpenAPI 3.1 document */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": Record<string, never>;
                };
            };
        };
    };
    getOverview: {
        parameters: {
            query?: {
                /**
                 * @description Sensors, as a comma list. Zones without one of them are left out.
                 * @example lib-1
                 */
                sensor?: string;
                /**
                 * @description Traveler types, as a comma list.
                 * @example student
                 */
                type?: string;
                /**
                 * @description The zone of the instants in the answer; the site's unless given.
                 * @example Europe/London
                 */
                tz?: string;
                /**
                 * @description Zones, as a comma list; `all` or nothing for all.
                 * @example lib,cafe
                 */
                zone?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description People by zone */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "as_of": "2026-11-24T11:20:14.25+00:00",
                     *       "counted_zones": 1,
                     *       "lag_ms": 1830,
                     *       "on_site": 388,
                     *       "open_alerts": 0,
                     *       "silent_sensors": [
                     *         {
                     *           "id": "sh-02",
                     *           "last_seen": "2026-11-24T11:06:02.25+00:00",
                     *           "silent_s": 852,
                     *           "zone": "sports"
                     *         }
                     *       ],
                     *       "stale": false,
                     *       "stream": {
                     *         "epoch": "8f3c5a1e",
                     *         "filter": "7f3a90c1d2e4b586",
                     *         "offset": 10231,
                     *         "topic": "overview"
                     *       },
                     *       "typical": null,
                     *       "watermark": "2026-11-24T11:00:12.5+00:00",
                     *       "zones": [
                     *         {
                     *           "capacity": 450,
                     *           "id": "lib",
                     *           "n": 388,
                     *           "name": "Library",
                     *           "seen": "2026-11-24T11:20:12.5+00:00",
                     *           "sensors": [
                     *             "lib-1"
                     *           ],
                     *           "share": 0.8622222222222222,
                     *           "silent_s": null,
                     *           "state": "busy"
                     *         }
                     *       ]
                     *     }
                     */
                    "application/json": components["schemas"]["Overview"];
                };
            };
            /** @description A parameter is wrong; `errors` names it and says what would do. */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "detail": "end: is not after start",
                     *       "errors": [
                     *         {
                     *           "code": "range_order",
                     *           "detail": "is not after start",
                     *           "parameter": "end"
                     *         }
                     *       ],
                     *       "instance": "/api/v1/series",
                     *       "request_id": "0193545a-3f6e-7bd1-b1f2-6f4f2d3f0c11",
                     *       "status": 400,
                     *       "title": "Invalid parameter",
                     *       "type": "https://footfall.dev/problems/invalid-parameter"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description A mistake of the server; quote the request id. */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "instance": "/api/v1/series",
                     *       "request_id": "0193545a-3f6e-7bd1-b1f2-6f4f2d3f0c11",
                     *       "status": 500,
                     *       "title": "Internal error",
                     *       "type": "https://footfall.dev/problems/internal"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Something that the answer needs is away; ask again in a moment. */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "component": "postgres",
                     *       "detail": "postgres does not answer; ask again in a moment",
                     *       "instance": "/api/v1/series",
                     *       "request_id": "0193545a-3f6e-7bd1-b1f2-6f4f2d3f0c11",
                     *       "status": 503,
                     *       "title": "Upstream unavailable",
                     *       "type": "https://footfall.dev/problems/upstream-unavailable"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    getPipeline: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Partitions, lag, accounts and canaries */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "canaries": [
                     *         {
                     *           "age_ms": 4200,
                     *           "gaps": 0,
                     *           "gateway": "0199aa6f3c2e7c3b8a5d4e2f1a0b9c8d",
                     *           "last_sequence": 118,
                     *           "partitions": 6,
                     *           "repeats": 0,
                     *           "topic": "sensor-movements"
                     *         }
                     *       ],
                     *       "dead_letters": 3,
                     *       "dead_letters_more": false,
                     *       "lag_ms": 1830,
                     *       "partitions": [
                     *         {
                     *           "counts": {
                     *             "applied": 9800,
                     *             "began_offset": 0,
                     *             "dead_letter": 2,
                     *             "duplicate": 310,
                     *             "ignored": 0,
                     *             "late": 1,
                     *             "marker": 118,
                     *             "skipped": 0
                     *           },
                     *           "epoch": 7,
                     *           "fold": "movement",
                     *           "fold_version": 1,
                     *           "lag": 16,
                     *           "live_offset": 10247,
                     *           "log_end_offset": 10247,
                     *           "next_offset": 10231,
                     *           "partition": 3,
                     *           "reported": "2026-11-24T11:20:13.1+00:00",
                     *           "stopped": null,
                     *           "topic": "sensor-movements",
                     *           "unaccounted": 0,
                     *           "watermark": "2026-11-24T11:00:12.5+00:00"
                     *         }
                     *       ],
                     *       "stale": false,
                     *       "version": "0.1.0"
                     *     }
                     */
                    "application/json": components["schemas"]["Pipeline"];
                };
            };
            /** @description A parameter is wrong; `errors` names it and says what would do. */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "detail": "end: is not after start",
                     *       "errors": [
                     *         {
                     *           "code": "range_order",
                     *           "detail": "is not after start",
                     *           "parameter": "end"
                     *         }
                     *       ],
                     *       "instance": "/api/v1/series",
                     *       "request_id": "0193545a-3f6e-7bd1-b1f2-6f4f2d3f0c11",
                     *       "status": 400,
                     *       "title": "Invalid parameter",
                     *       "type": "https://footfall.dev/problems/invalid-parameter"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description A mistake of the server; quote the request id. */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "instance": "/api/v1/series",
                     *       "request_id": "0193545a-3f6e-7bd1-b1f2-6f4f2d3f0c11",
                     *       "status": 500,
                     *       "title": "Internal error",
                     *       "type": "https://footfall.dev/problems/internal"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Something that the answer needs is away; ask again in a moment. */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "component": "postgres",
                     *       "detail": "postgres does not answer; ask again in a moment",
                     *       "instance": "/api/v1/series",
                     *       "request_id": "0193545a-3f6e-7bd1-b1f2-6f4f2d3f0c11",
                     *       "status": 503,
                     *       "title": "Upstream unavailable",
                     *       "type": "https://footfall.dev/problems/upstream-unavailable"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    listSensors: {
        parameters: {
            query?: {
                /** @description The `next_cursor` of the page before. */
                cursor?: string;
                /**
                 * @description Kinds, as a comma list.
                 * @example movement
                 */
                kind?: string;
                /** @description Items at most. */
                limit?: number;
                /**
                 * @description A part of the id or the name, in large or small letters.
                 * @example door
                 */
                q?: string;
                /**
                 * @description States, as a comma list: `online`, `late`, `offline`, `unknown`.
                 * @example late,offline
                 */
                status?: string;
                /**
                 * @description Zones, as a comma list; `unassigned` for the sensors that are in none.
                 * @example entrance
                 */
                zone?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page of sensors, by id */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "items": [
                     *         {
                     *           "id": "ent-1",
                     *           "kind": "movement",
                     *           "last_seen": "2026-11-24T11:20:12.5+00:00",
                     *           "name": "Main entrance, door 1",
                     *           "present": 12,
                     *           "registered": true,
                     *           "silent_after_s": 60,
                     *           "state": "online",
                     *           "watermark": "2026-11-24T11:00:12.5+00:00",
                     *           "zone": "entrance"
                     *         }
                     *       ],
                     *       "next_cursor": null
                     *     }
                     */
                    "application/json": components["schemas"]["SensorPage"];
                };
            };
            /** @description A parameter is wrong; `errors` names it and says what would do. */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "detail": "end: is not after start",
                     *       "errors": [
                     *         {
                     *           "code": "range_order",
                     *           "detail": "is not after start",
                     *           "parameter": "end"
                     *         }
                     *       ],
                     *       "instance": "/api/v1/series",
                     *       "request_id": "0193545a-3f6e-7bd1-b1f2-6f4f2d3f0c11",
                     *       "status": 400,
                     *       "title": "Invalid parameter",
                     *       "type": "https://footfall.dev/problems/invalid-parameter"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description A mistake of the server; quote the request id. */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "instance": "/api/v1/series",
                     *       "request_id": "0193545a-3f6e-7bd1-b1f2-6f4f2d3f0c11",
                     *       "status": 500,
                     *       "title": "Internal error",
                     *       "type": "https://footfall.dev/problems/internal"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Something that the answer needs is away; ask again in a moment. */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "component": "postgres",
                     *       "detail": "postgres does not answer; ask again in a moment",
                     *       "instance": "/api/v1/series",
                     *       "request_id": "0193545a-3f6e-7bd1-b1f2-6f4f2d3f0c11",
                     *       "status": 503,
                     *       "title": "Upstream unavailable",
                     *       "type": "https://footfall.dev/problems/upstream-unavailable"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    getSensor: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /**
                 * @description Its id
                 * @example ent-1
                 */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The sensor */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "id": "ent-1",
                     *       "kind": "movement",
                     *       "last_seen": "2026-11-24T11:20:12.5+00:00",
                     *       "name": "Main entrance, door 1",
                     *       "present": 12,
                     *       "registered": true,
                     *       "silent_after_s": 60,
                     *       "state": "online",
                     *       "watermark": "2026-11-24T11:00:12.5+00:00",
                     *       "zone": "entrance"
                     *     }
                     */
                    "application/json": components["schemas"]["Sensor"];
                };
            };
            /** @description A parameter is wrong; `errors` names it and says what would do. */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "detail": "end: is not after start",
                     *       "errors": [
                     *         {
                     *           "code": "range_order",
                     *           "detail": "is not after start",
                     *           "parameter": "end"
                     *         }
                     *       ],
                     *       "instance": "/api/v1/series",
                     *       "request_id": "0193545a-3f6e-7bd1-b1f2-6f4f2d3f0c11",
                     *       "status": 400,
                     *       "title": "Invalid parameter",
                     *       "type": "https://footfall.dev/problems/invalid-parameter"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description There is no such thing. */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "detail": "no sensor has the id ent-9",
                     *       "instance": "/api/v1/sensors/ent-9",
                     *       "request_id": "0193545a-3f6e-7bd1-b1f2-6f4f2d3f0c11",
                     *       "status": 404,
                     *       "title": "Not found",
                     *       "type": "https://footfall.dev/problems/not-found"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description A mistake of the server; quote the request id. */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "instance": "/api/v1/series",
                     *       "request_id": "0193545a-3f6e-7bd1-b1f2-6f4f2d3f0c11",
                     *       "status": 500,
                     *       "title": "Internal error",
                     *       "type": "https://footfall.dev/problems/internal"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Something that the answer needs is away; ask again in a moment. */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "component": "postgres",
                     *       "detail": "postgres does not answer; ask again in a moment",
                     *       "instance": "/api/v1/series",
                     *       "request_id": "0193545a-3f6e-7bd1-b1f2-6f4f2d3f0c11",
                     *       "status": 503,
                     *       "title": "Upstream unavailable",
                     *       "type": "https://footfall.dev/problems/upstream-unavailable"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    getSeries: {
        parameters: {
            query?: {
                /**
                 * @description `1` begins the CSV with a byte order mark, for Excel.
                 * @example 1
                 */
                bom?: string;
                /**
                 * @description Where it ends (exclusive). Raised to ten seconds.
                 * @example now
                 */
                end?: string;
                /**
                 * @description What stands where nothing was counted.
                 * @example auto
                 */
                fill?: ("auto" | "zero" | "none") & Record<string, never>;
                /**
                 * @description `json` or `csv`; what `Accept` says unless given.
                 * @example csv
                 */
                format?: string;
                /**
                 * @description What makes a series.
                 * @example none
                 */
                group_by?: ("none" | "sensor" | "type") & Record<string, never>;
                /**
                 * @description Metrics, as a comma list: `entries`, `exits`, `present`, `speed_avg`, `speed_min`, `speed_max`, `speed_p50`,
                 *     `speed_p95`. Exits are null where the state is `live`: who was seen last may be seen again.
                 * @example entries,speed_avg
                 */
                metric?: string;
                /**
                 * @description How windows follow each other.
                 * @example rolling
                 */
                mode?: ("rolling" | "bucket") & Record<string, never>;
                /**
                 * @description Sensors, as a comma list; `all` or nothing for all.
                 * @example ent-1,ent-2
                 */
                sensor?: string;
                /**
                 * @description Where the range begins: RFC 3339, a date, `today`, `week`, `now` or `now-24h`. Floored to ten seconds.
                 * @example today
                 */
                start?: string;
                /**
                 * @description Distance of two points; a multiple of ten seconds.
                 * @example 60s
                 */
                step?: string;
                /**
                 * @description Traveler types, as a comma list.
                 * @example student
                 */
                type?: string;
                /**
                 * @description The zone of days and of the instants in the answer; the site's unless given.
                 * @example Europe/London
                 */
                tz?: string;
                /**
                 * @description Length of each window in mode `rolling`: `10s`, `5m`, `1h`; a multiple of ten seconds. The step unless given.
                 * @example 60s
                 */
                window?: string;
                /**
                 * @description Zones, as a comma list: only the sensors that stand in them.
                 * @example entrance
                 */
                zone?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Columns of values; as CSV a line for each window */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "approx": false,
                     *       "end": "2026-11-24T00:03:00+00:00",
                     *       "fill": "auto",
                     *       "label": "end",
                     *       "metrics": [
                     *         "entries",
                     *         "speed_avg"
                     *       ],
                     *       "mode": "rolling",
                     *       "series": [
                     *         {
                     *           "coverage": [
                     *             1,
                     *             1,
                     *             0.9
                     *           ],
                     *           "entries": {
                     *             "unit": "count",
                     *             "v": [
                     *               0,
                     *               0,
                     *               3
                     *             ]
                     *           },
                     *           "key": {
                     *             "sensor": "all",
                     *             "type": "all"
                     *           },
                     *           "n": 3,
                     *           "speed_avg": {
                     *             "unit": "m/s",
                     *             "v": [
                     *               null,
                     *               null,
                     *               1.31
                     *             ]
                     *           },
                     *           "state": [
                     *             "final",
                     *             "final",
                     *             "final"
                     *           ]
                     *         }
                     *       ],
                     *       "stale": false,
                     *       "start": "2026-11-24T00:00:00+00:00",
                     *       "step_s": 60,
                     *       "stream": {
                     *         "epoch": "8f3c5a1e",
                     *         "filter": "7f3a90c1d2e4b586",
                     *         "offset": 10231,
                     *         "topic": "series"
                     *       },
                     *       "tz": "Europe/London",
                     *       "watermark": "2026-11-24T11:00:12.5+00:00",
                     *       "window_s": 60
                     *     }
                     */
                    "application/json": components["schemas"]["Series"];
                    /** @example window_start,window_end,sensor,type,entries,coverage,state */
                    "text/csv": string;
                };
            };
            /** @description A parameter is wrong; `errors` names it and says what would do. */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "detail": "end: is not after start",
                     *       "errors": [
                     *         {
                     *           "code": "range_order",
                     *           "detail": "is not after start",
                     *           "parameter": "end"
                     *         }
                     *       ],
                     *       "instance": "/api/v1/series",
                     *       "request_id": "0193545a-3f6e-7bd1-b1f2-6f4f2d3f0c11",
                     *       "status": 400,
                     *       "title": "Invalid parameter",
                     *       "type": "https://footfall.dev/problems/invalid-parameter"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The range holds too many points; `suggested_step` would do. */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "detail": "the range holds 60480 points of 10s, at most 11000 are answered",
                     *       "instance": "/api/v1/series",
                     *       "request_id": "0193545a-3f6e-7bd1-b1f2-6f4f2d3f0c11",
                     *       "status": 422,
                     *       "suggested_step": "1m",
                     *       "title": "Too many points",
                     *       "type": "https://footfall.dev/problems/too-many-points"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description A mistake of the server; quote the request id. */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "instance": "/api/v1/series",
                     *       "request_id": "0193545a-3f6e-7bd1-b1f2-6f4f2d3f0c11",
                     *       "status": 500,
                     *       "title": "Internal error",
                     *       "type": "https://footfall.dev/problems/internal"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Something that the answer needs is away; ask again in a moment. */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "component": "postgres",
                     *       "detail": "postgres does not answer; ask again in a moment",
                     *       "instance": "/api/v1/series",
                     *       "request_id": "0193545a-3f6e-7bd1-b1f2-6f4f2d3f0c11",
                     *       "status": 503,
                     *       "title": "Upstream unavailable",
                     *       "type": "https://footfall.dev/problems/upstream-unavailable"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    getSite: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The deployment */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "features": [
                     *         "movement"
                     *       ],
                     *       "feeds": {
                     *         "movement": true
                     *       },
                     *       "heartbeat_s": 30,
                     *       "id": "main",
                     *       "idle_gap_s": 30,
                     *       "lateness_s": 1200,
                     *       "locale": "en-GB",
                     *       "mqtt": "127.0.0.1:1883",
                     *       "mqtt_topic": "footfall/main/{device}/positions",
                     *       "name": "Main campus",
                     *       "now": "2026-11-24T11:20:14.25+00:00",
                     *       "pane_s": 10,
                     *       "silent_after_s": 60,
                     *       "tz": "Europe/London",
                     *       "version": "0.1.0"
                     *     }
                     */
                    "application/json": components["schemas"]["Site"];
                };
            };
            /** @description A parameter is wrong; `errors` names it and says what would do. */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "detail": "end: is not after start",
                     *       "errors": [
                     *         {
                     *           "code": "range_order",
                     *           "detail": "is not after start",
                     *           "parameter": "end"
                     *         }
                     *       ],
                     *       "instance": "/api/v1/series",
                     *       "request_id": "0193545a-3f6e-7bd1-b1f2-6f4f2d3f0c11",
                     *       "status": 400,
                     *       "title": "Invalid parameter",
                     *       "type": "https://footfall.dev/problems/invalid-parameter"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description A mistake of the server; quote the request id. */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "instance": "/api/v1/series",
                     *       "request_id": "0193545a-3f6e-7bd1-b1f2-6f4f2d3f0c11",
                     *       "status": 500,
                     *       "title": "Internal error",
                     *       "type": "https://footfall.dev/problems/internal"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Something that the answer needs is away; ask again in a moment. */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "component": "postgres",
                     *       "detail": "postgres does not answer; ask again in a moment",
                     *       "instance": "/api/v1/series",
                     *       "request_id": "0193545a-3f6e-7bd1-b1f2-6f4f2d3f0c11",
                     *       "status": 503,
                     *       "title": "Upstream unavailable",
                     *       "type": "https://footfall.dev/problems/upstream-unavailable"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    openStream: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The socket is open */
            101: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description A parameter is wrong; `errors` names it and says what would do. */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "detail": "end: is not after start",
                     *       "errors": [
                     *         {
                     *           "code": "range_order",
                     *           "detail": "is not after start",
                     *           "parameter": "end"
                     *         }
                     *       ],
                     *       "instance": "/api/v1/series",
                     *       "request_id": "0193545a-3f6e-7bd1-b1f2-6f4f2d3f0c11",
                     *       "status": 400,
                     *       "title": "Invalid parameter",
                     *       "type": "https://footfall.dev/problems/invalid-parameter"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description A mistake of the server; quote the request id. */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "instance": "/api/v1/series",
                     *       "request_id": "0193545a-3f6e-7bd1-b1f2-6f4f2d3f0c11",
                     *       "status": 500,
                     *       "title": "Internal error",
                     *       "type": "https://footfall.dev/problems/internal"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Something that the answer needs is away; ask again in a moment. */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "component": "postgres",
                     *       "detail": "postgres does not answer; ask again in a moment",
                     *       "instance": "/api/v1/series",
                     *       "request_id": "0193545a-3f6e-7bd1-b1f2-6f4f2d3f0c11",
                     *       "status": 503,
                     *       "title": "Upstream unavailable",
                     *       "type": "https://footfall.dev/problems/upstream-unavailable"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    listTravelerTypes: {
        parameters: {
            query?: {
                /** @description The `next_cursor` of the page before. */
                cursor?: string;
                /** @description Items at most. */
                limit?: number;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page of traveler types, by id */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "items": [
                     *         {
                     *           "id": "student",
                     *           "name": "student"
                     *         }
                     *       ],
                     *       "next_cursor": null
                     *     }
                     */
                    "application/json": components["schemas"]["TravelerTypePage"];
                };
            };
            /** @description A parameter is wrong; `errors` names it and says what would do. */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "detail": "end: is not after start",
                     *       "errors": [
                     *         {
                     *           "code": "range_order",
                     *           "detail": "is not after start",
                     *           "parameter": "end"
                     *         }
                     *       ],
                     *       "instance": "/api/v1/series",
                     *       "request_id": "0193545a-3f6e-7bd1-b1f2-6f4f2d3f0c11",
                     *       "status": 400,
                     *       "title": "Invalid parameter",
                     *       "type": "https://footfall.dev/problems/invalid-parameter"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description A mistake of the server; quote the request id. */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "instance": "/api/v1/series",
                     *       "request_id": "0193545a-3f6e-7bd1-b1f2-6f4f2d3f0c11",
                     *       "status": 500,
                     *       "title": "Internal error",
                     *       "type": "https://footfall.dev/problems/internal"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Something that the answer needs is away; ask again in a moment. */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "component": "postgres",
                     *       "detail": "postgres does not answer; ask again in a moment",
                     *       "instance": "/api/v1/series",
                     *       "request_id": "0193545a-3f6e-7bd1-b1f2-6f4f2d3f0c11",
                     *       "status": 503,
                     *       "title": "Upstream unavailable",
                     *       "type": "https://footfall.dev/problems/upstream-unavailable"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    listVisits: {
        parameters: {
            query?: {
                /**
                 * @description `1` begins the CSV with a byte order mark, for Excel.
                 * @example 1
                 */
                bom?: string;
                /** @description The `next_cursor` of the page before. */
                cursor?: string;
                /**
                 * @description Visits that began before this.
                 * @example now
                 */
                end?: string;
                /**
                 * @description `json` or `csv`; what `Accept` says unless given.
                 * @example csv
                 */
                format?: string;
                /** @description Visits at most. */
                limit?: number;
                /**
                 * @description Sensors, as a comma list; `all` or nothing for all.
                 * @example ent-1,ent-2
                 */
                sensor?: string;
                /**
                 * @description Visits that began at or after this: RFC 3339, a date, `today`, `week`, `now` or `now-24h`.
                 * @example today
                 */
                start?: string;
                /**
                 * @description Traveler types, as a comma list.
                 * @example student
                 */
                type?: string;
                /**
                 * @description The zone of days and of the instants in the answer; the site's unless given.
                 * @example Europe/London
                 */
                tz?: string;
                /**
                 * @description Zones, as a comma list: only the sensors that stand in them.
                 * @example entrance
                 */
                zone?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page of visits, by entry; as CSV all of them unless there is a limit */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "items": [
                     *         {
                     *           "distance_m": 21.9,
                     *           "entered_at": "2026-11-24T11:06:02.25+00:00",
                     *           "left_at": "2026-11-24T11:06:19+00:00",
                     *           "samples": 17,
                     *           "sensor": "ent-1",
                     *           "speed_avg": 1.31,
                     *           "speed_max": 1.9,
                     *           "speed_min": 0.7,
                     *           "state": "provisional",
                     *           "traveler_id": "t-4711",
                     *           "traveler_type": "student"
                     *         }
                     *       ],
                     *       "next_cursor": null,
                     *       "stale": false
                     *     }
                     */
                    "application/json": components["schemas"]["VisitPage"];
                    /** @example sensor,traveler_id,traveler_type,entered_at,left_at,samples,distance_m */
                    "text/csv": string;
                };
            };
            /** @description A parameter is wrong; `errors` names it and says what would do. */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "detail": "end: is not after start",
                     *       "errors": [
                     *         {
                     *           "code": "range_order",
                     *           "detail": "is not after start",
                     *           "parameter": "end"
                     *         }
                     *       ],
                     *       "instance": "/api/v1/series",
                     *       "request_id": "0193545a-3f6e-7bd1-b1f2-6f4f2d3f0c11",
                     *       "status": 400,
                     *       "title": "Invalid parameter",
                     *       "type": "https://footfall.dev/problems/invalid-parameter"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description A mistake of the server; quote the request id. */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "instance": "/api/v1/series",
                     *       "request_id": "0193545a-3f6e-7bd1-b1f2-6f4f2d3f0c11",
                     *       "status": 500,
                     *       "title": "Internal error",
                     *       "type": "https://footfall.dev/problems/internal"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Something that the answer needs is away; ask again in a moment. */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "component": "postgres",
                     *       "detail": "postgres does not answer; ask again in a moment",
                     *       "instance": "/api/v1/series",
                     *       "request_id": "0193545a-3f6e-7bd1-b1f2-6f4f2d3f0c11",
                     *       "status": 503,
                     *       "title": "Upstream unavailable",
                     *       "type": "https://footfall.dev/problems/upstream-unavailable"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    listZones: {
        parameters: {
            query?: {
                /** @description The `next_cursor` of the page before. */
                cursor?: string;
                /** @description Items at most. */
                limit?: number;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page of zones, in the site's order */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "items": [
                     *         {
                     *           "capacity": 450,
                     *           "id": "lib",
                     *           "name": "Library",
                     *           "sensors": [
                     *             "lib-1"
                     *           ]
                     *         }
                     *       ],
                     *       "next_cursor": null
                     *     }
                     */
                    "application/json": components["schemas"]["ZonePage"];
                };
            };
            /** @description A parameter is wrong; `errors` names it and says what would do. */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "detail": "end: is not after start",
                     *       "errors": [
                     *         {
                     *           "code": "range_order",
                     *           "detail": "is not after start",
                     *           "parameter": "end"
                     *         }
                     *       ],
                     *       "instance": "/api/v1/series",
                     *       "request_id": "0193545a-3f6e-7bd1-b1f2-6f4f2d3f0c11",
                     *       "status": 400,
                     *       "title": "Invalid parameter",
                     *       "type": "https://footfall.dev/problems/invalid-parameter"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description A mistake of the server; quote the request id. */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "instance": "/api/v1/series",
                     *       "request_id": "0193545a-3f6e-7bd1-b1f2-6f4f2d3f0c11",
                     *       "status": 500,
                     *       "title": "Internal error",
                     *       "type": "https://footfall.dev/problems/internal"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Something that the answer needs is away; ask again in a moment. */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "component": "postgres",
                     *       "detail": "postgres does not answer; ask again in a moment",
                     *       "instance": "/api/v1/series",
                     *       "request_id": "0193545a-3f6e-7bd1-b1f2-6f4f2d3f0c11",
                     *       "status": 503,
                     *       "title": "Upstream unavailable",
                     *       "type": "https://footfall.dev/problems/upstream-unavailable"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
}
