/** Arms the alarm, takes it back, arms it again, and waits for it. */

import { armAlarm, loadNative } from "../../src/net/native.ts";

loadNative();
armAlarm(1);
armAlarm(0);
setTimeout(() => armAlarm(1), 1_200);
setTimeout(() => {}, 20_000);
