// What a dashboard of ours is, in Grafana's own types.
import type { AnnotationQuery, Dashboard, DataQuery, FieldConfigSource, Panel } from "@grafana/schema";
import type * as Stat from "@grafana/schema/dist/esm/raw/composable/stat/panelcfg/x/StatPanelCfg_types.gen";
import type * as Series from "@grafana/schema/dist/esm/raw/composable/timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen";

// In JSON an enum is its word.
type Words<T> = T extends string ? `${T}` : T extends object ? { [K in keyof T]: Words<T[K]> } : T;
type Of<Type, Options, Config> = Omit<Panel, "type" | "options" | "fieldConfig"> & {
  type: Type;
  options: Options;
  fieldConfig: FieldConfigSource<Config>;
};
// What Prometheus reads of an annotation beyond its query.
type Question = DataQuery & { expr: string; interval: string };
type Annotation = AnnotationQuery<Question> & { titleFormat: string; useValueForTime?: "on" };
type OurDashboard = Omit<Dashboard, "panels" | "annotations"> & {
  annotations: { list: Annotation[] };
  panels: Array<Of<"stat", Stat.Options, {}> | Of<"timeseries", Series.Options, Series.FieldConfig>>;
};
export const dashboards: Array<Words<OurDashboard>> = BOARDS;
