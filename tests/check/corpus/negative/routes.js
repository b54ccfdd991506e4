angular.module("kitchen").config(($routeProvider) => {
  $routeProvider
    .when("/orders", { templateUrl: "orders.html", controller: "OrdersCtrl" })
    .when("/stove", { templateUrl: "stove.html", controller: "StoveCtrl" })
    .when("/menu", { templateUrl: "menu.html", controller: "MenuCtrl as menu" });
});
